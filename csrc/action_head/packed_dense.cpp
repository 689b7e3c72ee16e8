#include "action_head/packed_dense.hpp"

#include <algorithm>
#include <cstring>

namespace lapa_edge {
namespace {

// The upper half of the float32, rounded to nearest, ties to even; for finite values.
std::uint16_t to_bf16(float value) noexcept {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace

PackedDense::PackedDense(const DenseWeights& dense, std::size_t inputs, std::size_t outputs,
                         std::size_t panel)
    : inputs(inputs), outputs(outputs), panel(panel) {
  const std::size_t rows = DenseSize{inputs, outputs, panel}.padded_outputs();
  const std::size_t columns = padded_inputs(inputs);
  weight = AlignedBuffer<float>(rows * columns);
  bias = AlignedBuffer<float>(rows);
  std::copy(dense.bias, dense.bias + outputs, bias.begin());
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < inputs; ++i) {
      weight[weight_index(o, i, columns, panel, 1)] = dense.weight[o * inputs + i];
    }
  }
}

DenseView PackedDense::view() const noexcept {
  DenseView view{};
  view.panels = bias.size() / panel;
  view.inputs = padded_inputs(inputs);
  view.weight = weight.data();
  view.bias = bias.data();
  return view;
}

PackedBf16::PackedBf16(const DenseWeights& dense, const DenseSize& size)
    : size_(size),
      weight_(size.padded_outputs() * padded_inputs(size.inputs)),
      bias_(size.padded_outputs()) {
  std::copy(dense.bias, dense.bias + size.outputs, bias_.begin());
  const std::size_t columns = padded_inputs(size.inputs);
  for (std::size_t o = 0; o < size.outputs; ++o) {
    for (std::size_t i = 0; i < size.inputs; ++i) {
      weight_[weight_index(o, i, columns, size.panel, 2)] =
          to_bf16(dense.weight[o * size.inputs + i]);
    }
  }
}

DenseView PackedBf16::view() const noexcept {
  DenseView view{};
  view.panels = bias_.size() / size_.panel;
  view.inputs = padded_inputs(size_.inputs);
  view.weight = weight_.data();
  view.bias = bias_.data();
  return view;
}

}  // namespace lapa_edge
