#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "action_head/packed_dense.hpp"
#include "base/finite.hpp"

namespace lapa_edge {
namespace {

constexpr float kLargest = 127.0f;  // -128 stays unused: what is symmetric needs no zero point
constexpr std::size_t kMaxInputs = std::numeric_limits<std::int32_t>::max() / (127 * 127);

// What each input may reach before it saturates. In float64, as the reference.
AlignedBuffer<float> column_ranges(const float* weight, const float* largest,
                                   const DenseSize& size) {
  AlignedBuffer<double> reach(size.inputs);
  double farthest = 0;
  for (std::size_t k = 0; k < size.outputs * size.inputs; ++k) {
    double& column = reach[k % size.inputs];
    column = std::max(column, std::abs(double{weight[k]}));
    farthest = std::max(farthest, column);
  }
  const double floor = farthest > 0 ? farthest * 0x1p-20 : 1;
  double peak = 0;
  for (std::size_t i = 0; i < size.inputs; ++i) {
    reach[i] = std::max(reach[i], floor);
    peak = std::max(peak, std::sqrt(largest[i] * reach[i]));
  }
  AlignedBuffer<float> range(size.inputs);
  for (std::size_t i = 0; i < size.inputs; ++i) {
    range[i] = static_cast<float>(std::sqrt(largest[i] / reach[i]) * peak);
  }
  return range;
}

}  // namespace

PackedInt8::PackedInt8(const DenseWeights& dense, const float* largest, const DenseSize& size,
                       std::int32_t input_offset)
    : size_(size),
      weight_(size.padded_outputs() * padded_inputs(size.inputs)),
      quantized_(padded_inputs(size.inputs)),
      bias_(size.padded_outputs()),
      to_int8_(padded_inputs(size.inputs)),
      scale_(size.padded_outputs()),
      first_sums_(size.padded_outputs()) {
  if (size.inputs > kMaxInputs) {
    throw std::invalid_argument("weights: expected at most " + std::to_string(kMaxInputs) +
                                " inputs to a layer in int8, whose sum must fit int32, got " +
                                std::to_string(size.inputs) + "; choose precision=\"f32\"");
  }
  std::copy(dense.bias, dense.bias + size.outputs, bias_.begin());

  const AlignedBuffer<float> range = column_ranges(dense.weight, largest, size);
  AlignedBuffer<float> fold(size.inputs);
  for (std::size_t i = 0; i < size.inputs; ++i) {
    fold[i] = range[i] / kLargest;
    to_int8_[i] = kLargest / range[i];
  }
  for (std::size_t o = 0; o < size.outputs; ++o) quantize_output(dense, fold, o, input_offset);
}

void PackedInt8::quantize_output(const DenseWeights& dense, const AlignedBuffer<float>& fold,
                                 std::size_t o, std::int32_t input_offset) {
  const float* row = dense.weight + o * size_.inputs;
  float peak = 0.0f;
  for (std::size_t i = 0; i < size_.inputs; ++i) {
    peak = std::max(peak, std::abs(row[i] * fold[i]));
  }
  scale_[o] = peak / kLargest;
  if (!is_finite(scale_[o])) {
    throw std::invalid_argument(
        "weights: expected int8 scales within float32, got an overflow at "
        "output " +
        std::to_string(o) + " of a layer");
  }
  if (scale_[o] == 0.0f) return;  // an output without weights, or too small for float32

  std::int32_t sum = 0;
  for (std::size_t i = 0; i < size_.inputs; ++i) {
    const float steps = std::nearbyint(row[i] * fold[i] / scale_[o]);
    const float weight = std::clamp(steps, -kLargest, kLargest);  // a subnormal scale is coarse
    weight_[weight_index(o, i, padded_inputs(size_.inputs), size_.panel, 4)] =
        static_cast<std::int8_t>(weight);
    sum += static_cast<std::int32_t>(weight);
  }
  // Modulo 2^32, as the kernels' sums are: the offset's share may pass int32 where the dot does
  // not.
  first_sums_[o] = static_cast<std::int32_t>(static_cast<std::uint32_t>(-input_offset) *
                                             static_cast<std::uint32_t>(sum));
}

DenseView PackedInt8::view() noexcept {
  return {scale_.size() / size_.panel,
          padded_inputs(size_.inputs),
          weight_.data(),
          bias_.data(),
          to_int8_.data(),
          scale_.data(),
          first_sums_.data(),
          quantized_.data()};
}

}  // namespace lapa_edge
