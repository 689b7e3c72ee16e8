// The owner of a layer's packed weights.
#pragma once

#include <cstddef>
#include <vector>

#include "action_head/dense.hpp"

namespace lapa_edge {

/// One linear layer as torch stores it: `weight` [outputs, inputs] row-major, `bias` [outputs].
struct DenseWeights {
  const float* weight;
  const float* bias;
};

/// A layer in the layout of `DenseView`, which borrows from this.
class PackedDense {
 public:
  PackedDense(const DenseWeights& dense, std::size_t inputs, std::size_t outputs,
              std::size_t panel);

  DenseView view() const noexcept {
    return {bias.size() / panel, padded_inputs(inputs), weight.data(), bias.data()};
  }

  std::size_t inputs, outputs, panel;
  std::vector<float> weight, bias;
};

}  // namespace lapa_edge
