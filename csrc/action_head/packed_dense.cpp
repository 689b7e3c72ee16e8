#include "action_head/packed_dense.hpp"

#include <algorithm>
#include <cstring>

namespace lapa_edge {
namespace {

void store(float value, float& weight) noexcept {
  weight = value;
}

// The upper half of the float32, rounded to nearest, ties to even; for finite values.
void store(float value, std::uint16_t& weight) noexcept {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  weight = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace

template <typename Weight>
PackedDense<Weight>::PackedDense(const DenseWeights& dense, const DenseSize& size)
    : size_(size),
      weight_(size.padded_outputs() * padded_inputs(size.inputs)),
      bias_(size.padded_outputs()) {
  constexpr std::size_t kColumnsPerWord = sizeof(float) / sizeof(Weight);
  std::copy(dense.bias, dense.bias + size.outputs, bias_.begin());
  const std::size_t columns = padded_inputs(size.inputs);
  for (std::size_t o = 0; o < size.outputs; ++o) {
    for (std::size_t i = 0; i < size.inputs; ++i) {
      store(dense.weight[o * size.inputs + i],
            weight_[weight_index(o, i, columns, size.panel, kColumnsPerWord)]);
    }
  }
}

template <typename Weight>
DenseView PackedDense<Weight>::view() const noexcept {
  DenseView view{};
  view.panels = bias_.size() / size_.panel;
  view.inputs = padded_inputs(size_.inputs);
  view.weight = weight_.data();
  view.bias = bias_.data();
  return view;
}

template class PackedDense<float>;
template class PackedDense<std::uint16_t>;

}  // namespace lapa_edge
