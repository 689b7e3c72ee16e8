// The owners of a layer's weights, in the layout of `DenseView`: float32, bf16 or int8.
#pragma once

#include <cstddef>
#include <cstdint>

#include "action_head/dense.hpp"
#include "base/aligned_buffer.hpp"

namespace lapa_edge {

/// One linear layer as torch stores it: `weight` [outputs, inputs] row-major, `bias` [outputs].
struct DenseWeights {
  const float* weight;
  const float* bias;
};

struct DenseSize {
  std::size_t inputs, outputs, panel;

  std::size_t padded_outputs() const noexcept { return (outputs + panel - 1) / panel * panel; }
};

/// In float32 as they came, or rounded to bf16 (its 16 bits), to even; biases stay float32.
template <typename Weight>
class PackedDense {
 public:
  PackedDense(const DenseWeights& dense, const DenseSize& size);

  DenseView view() const noexcept;

 private:
  DenseSize size_;
  AlignedBuffer<Weight> weight_;
  AlignedBuffer<float> bias_;
};

using PackedFloat32 = PackedDense<float>;
using PackedBf16 = PackedDense<std::uint16_t>;

/// int8 by calibration: `largest` [inputs] is the largest |x[i]| that export has seen, above 0.
///
///   reach[i]    = max_o |W[o, i]|, but at least 2^-20 of the largest
///   range[i]    = sqrt(largest[i] / reach[i]) * max_j sqrt(largest[j] * reach[j])
///   to_int8[i]  = 127 / range[i]
///   folded[o,i] = W[o, i] * (range[i] / 127)
///   scale[o]    = max_i |folded[o, i]| / 127
///   W_int8[o,i] = round_to_even(folded[o, i] / scale[o])
///
/// Each column has a range of its own, since the inputs have different units. The roots share what
/// is uneven between activations and weights, so that one large column coarsens neither alone:
/// SmoothQuant (arXiv 2211.10438) with alpha = 1/2. No range is below `largest`; what lies beyond
/// it saturates.
class PackedInt8 {
 public:
  /// Throws std::invalid_argument where a sum of so many inputs could overflow int32.
  PackedInt8(const DenseWeights& dense, const float* largest, const DenseSize& size,
             std::int32_t input_offset);

  DenseView view() noexcept;

 private:
  void quantize_output(const DenseWeights& dense, const AlignedBuffer<float>& fold, std::size_t o,
                       std::int32_t input_offset);

  DenseSize size_;
  AlignedBuffer<std::int8_t> weight_, quantized_;
  AlignedBuffer<float> bias_, to_int8_, scale_;
  AlignedBuffer<std::int32_t> first_sums_;
};

}  // namespace lapa_edge
