// Nearest codes on the GPU, by a codebook that stays there for many lookups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nearest_code/nearest_code.hpp"

namespace lapa_edge::cuda {

/// The same codes as on the CPU, ties included. Work and buffers are bound to the number of rows:
/// a lookup of as many rows as the one before allocates nothing. Threads take turns.
class Codebook {
 public:
  /// `codes` [k, d] row-major, finite; k and d at least 1. Throws std::invalid_argument where rows
  /// of d do not fit into the GPU's shared memory and std::runtime_error if CUDA fails.
  Codebook(const float* codes, std::size_t k, std::size_t d);
  Codebook(Codebook&&) noexcept;
  ~Codebook();

  std::size_t size() const noexcept;
  std::size_t width() const noexcept;

  /// Fills `nearest` [m] from `x` [m, d], both host memory. Throws std::runtime_error if CUDA
  /// fails.
  NearestCodeResult nearest(const float* x, std::size_t m, std::int32_t* nearest) const;

  /// The same, and the vectors of those codes into `latents` [m, d]; not touched unless ok.
  NearestCodeResult quantize(const float* x, std::size_t m, std::int32_t* nearest,
                             float* latents) const;

 private:
  struct Device;
  std::unique_ptr<Device> device_;
};

/// The same codes from the GPU; copies the codebook there first.
NearestCodeResult nearest_code(const float* x, const float* codebook, std::size_t m, std::size_t k,
                               std::size_t d, std::int32_t* codes);

}  // namespace lapa_edge::cuda
