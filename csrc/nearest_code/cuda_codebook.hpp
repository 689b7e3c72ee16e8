// A codebook that stays on the GPU for many lookups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nearest_code/nearest_code.hpp"

namespace lapa_edge::cuda {

/// The same codes as on the CPU, ties included. Work and buffers are bound to the number of rows:
/// a lookup of as many rows as the one before allocates nothing. One at a time.
class Codebook {
 public:
  /// `codes` [k, d] row-major, finite; k and d at least 1. Throws std::invalid_argument where rows
  /// of d do not fit into the GPU's shared memory and std::runtime_error if CUDA fails.
  Codebook(const float* codes, std::size_t k, std::size_t d);
  Codebook(Codebook&&) noexcept;
  ~Codebook();

  /// Fills `nearest` [m] from `x` [m, d], both host memory. Throws std::runtime_error if CUDA fails.
  NearestCodeResult nearest(const float* x, std::size_t m, std::int32_t* nearest);

 private:
  struct Device;
  std::unique_ptr<Device> device_;
};

}  // namespace lapa_edge::cuda
