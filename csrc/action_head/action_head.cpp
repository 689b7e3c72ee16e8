#include "action_head/action_head.hpp"

#include <algorithm>

#include "base/finite.hpp"
#include "simd/kernels.hpp"

namespace lapa_edge {
namespace {

std::size_t whole_panels(std::size_t outputs, std::size_t panel) {
  return (outputs + panel - 1) / panel * panel;
}

}  // namespace

std::vector<PackedDense> pack_layers(const HeadShape& shape, const HeadWeights& weights,
                                     std::size_t panel) {
  std::vector<PackedDense> layers;
  layers.emplace_back(weights.input, shape.input, shape.width, panel);
  for (std::size_t block = 0; block < shape.blocks; ++block) {
    layers.emplace_back(weights.up[block], shape.width, shape.width, panel);
    layers.emplace_back(weights.down[block], shape.width, shape.width, panel);
  }
  layers.emplace_back(weights.output, shape.width, shape.output, panel);
  return layers;
}

ActionHead::ActionHead(const HeadShape& shape, const HeadWeights& weights)
    : shape_(shape),
      kernels_(kernels().dense),
      layers_(pack_layers(shape, weights, kernels_.panel)),
      input_(padded_inputs(shape.input)),
      hidden_(whole_panels(shape.width, kernels_.panel)),
      raised_(hidden_.size()),
      output_(whole_panels(shape.output, kernels_.panel)) {}

HeadResult ActionHead::forward(const float* x, float* y, std::size_t b) noexcept {
  const auto run = [this](std::size_t layer, const std::vector<float>& from, Epilogue epilogue,
                          std::vector<float>& to) noexcept {
    const DenseView view = layers_[layer].view();
    kernels_.run(view, from.data(), {0, view.inputs, nullptr}, epilogue, to.data());
  };

  for (std::size_t row = 0; row < b; ++row, x += shape_.input, y += shape_.output) {
    const std::size_t bad_input = first_non_finite(x, shape_.input);
    if (bad_input < shape_.input) {
      return {HeadStatus::input_not_finite, row * shape_.input + bad_input};
    }
    std::copy(x, x + shape_.input, input_.begin());

    run(0, input_, Epilogue::relu, hidden_);
    for (std::size_t layer = 1; layer + 1 < layers_.size(); layer += 2) {
      run(layer, hidden_, Epilogue::relu, raised_);
      run(layer + 1, raised_, Epilogue::add, hidden_);
    }
    run(layers_.size() - 1, hidden_, Epilogue::assign, output_);

    std::copy(output_.begin(), output_.begin() + shape_.output, y);
    const std::size_t bad_output = first_non_finite(y, shape_.output);
    if (bad_output < shape_.output) {
      return {HeadStatus::output_not_finite, row * shape_.output + bad_output};
    }
  }
  return {HeadStatus::ok, 0};
}

}  // namespace lapa_edge
