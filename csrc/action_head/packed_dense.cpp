#include "action_head/packed_dense.hpp"

#include <algorithm>

namespace lapa_edge {

PackedDense::PackedDense(const DenseWeights& dense, std::size_t inputs, std::size_t outputs,
                         std::size_t panel)
    : inputs(inputs), outputs(outputs), panel(panel) {
  const std::size_t panels = (outputs + panel - 1) / panel, columns = padded_inputs(inputs);
  weight.assign(panels * columns * panel, 0.0f);
  bias.assign(panels * panel, 0.0f);
  std::copy(dense.bias, dense.bias + outputs, bias.begin());
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < inputs; ++i) {
      weight[(o / panel * columns + i) * panel + o % panel] = dense.weight[o * inputs + i];
    }
  }
}

}  // namespace lapa_edge
