// A codebook packed once for many lookups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "nearest_code/nearest_code.hpp"
#include "nearest_code/search.hpp"

namespace lapa_edge {

/// Owns its codes, packed for the instruction set that was active when it was built. Lookups
/// allocate nothing, lock nothing, and may run in several threads at once: their scratch, up to
/// 64 KiB, lies on the stack.
class Codebook {
 public:
  /// `codes` [k, d] row-major, finite; k and d at least 1.
  Codebook(const float* codes, std::size_t k, std::size_t d);

  std::size_t size() const noexcept { return view_.k; }
  std::size_t width() const noexcept { return view_.d; }

  /// Fills `nearest` [m] from `x` [m, d], as nearest_code() does.
  NearestCodeResult nearest(const float* x, std::size_t m, std::int32_t* nearest) const noexcept;

  /// The same, and the vectors of those codes into `latents` [m, d]; of no use unless ok.
  NearestCodeResult quantize(const float* x, std::size_t m, std::int32_t* nearest,
                             float* latents) const noexcept;

 private:
  std::vector<float> centre();
  void pack_norms(const std::vector<float>& centred, std::size_t panel);
  void pack_floats(const std::vector<float>& centred, float norm);
  void pack_bytes(const std::vector<float>& centred, float norm);

  const NearestCodeKernels& kernels_;
  AlignedBuffer<float> codes_, mean_, half_norm_, floats_;
  AlignedBuffer<std::int8_t> bytes_;
  CodebookView view_;
};

}  // namespace lapa_edge
