#include "action_head.hpp"

#include <algorithm>

#include "finite.hpp"

namespace lapa_edge {
namespace {

// Calls store(o, W[o] . x + b[o]) for each output of one layer.
template <typename Store>
inline void run_dense(const PackedDense& layer, const float* x, Store store) noexcept {
  const std::size_t whole = layer.inputs - layer.inputs % 4;
  const float* weight = layer.weight.data();
  for (std::size_t first = 0; first < layer.outputs; first += kPanel) {
    float sum[4][kPanel] = {};
    for (std::size_t i = 0; i < whole; i += 4, weight += 4 * kPanel) {
      for (std::size_t phase = 0; phase < 4; ++phase) {
        for (std::size_t lane = 0; lane < kPanel; ++lane) {
          sum[phase][lane] += weight[phase * kPanel + lane] * x[i + phase];
        }
      }
    }
    // Phases are constants here as well: an index known only at run time would push the sums out
    // of the registers.
    for (std::size_t phase = 0; phase < 3; ++phase) {
      if (whole + phase >= layer.inputs) continue;
      for (std::size_t lane = 0; lane < kPanel; ++lane) {
        sum[phase][lane] += weight[lane] * x[whole + phase];
      }
      weight += kPanel;
    }
    const std::size_t lanes = std::min(kPanel, layer.outputs - first);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const float dot = (sum[0][lane] + sum[1][lane]) + (sum[2][lane] + sum[3][lane]);
      store(first + lane, dot + layer.bias[first + lane]);
    }
  }
}

// Written so that NaN passes through: an overflow must reach the output, where it is refused.
inline float relu(float value) noexcept {
  return value < 0.0f ? 0.0f : value;
}

}  // namespace

PackedDense::PackedDense(const DenseWeights& dense, std::size_t inputs, std::size_t outputs)
    : inputs(inputs), outputs(outputs) {
  const std::size_t panels = (outputs + kPanel - 1) / kPanel;
  weight.assign(panels * inputs * kPanel, 0.0f);
  bias.assign(panels * kPanel, 0.0f);
  std::copy(dense.bias, dense.bias + outputs, bias.begin());
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < inputs; ++i) {
      weight[(o / kPanel * inputs + i) * kPanel + o % kPanel] = dense.weight[o * inputs + i];
    }
  }
}

std::vector<PackedDense> pack_layers(const HeadShape& shape, const HeadWeights& weights) {
  std::vector<PackedDense> layers;
  layers.emplace_back(weights.input, shape.input, shape.width);
  for (std::size_t block = 0; block < shape.blocks; ++block) {
    layers.emplace_back(weights.up[block], shape.width, shape.width);
    layers.emplace_back(weights.down[block], shape.width, shape.width);
  }
  layers.emplace_back(weights.output, shape.width, shape.output);
  return layers;
}

ActionHead::ActionHead(const HeadShape& shape, const HeadWeights& weights)
    : layers_(pack_layers(shape, weights)), hidden_(shape.width), raised_(shape.width) {}

HeadResult ActionHead::forward(const float* x, float* y, std::size_t b) noexcept {
  const std::size_t input = layers_.front().inputs, output = layers_.back().outputs;
  float* const hidden = hidden_.data();
  float* const raised = raised_.data();

  for (std::size_t row = 0; row < b; ++row, x += input, y += output) {
    const std::size_t bad_input = first_non_finite(x, input);
    if (bad_input < input) return {HeadStatus::input_not_finite, row * input + bad_input};

    run_dense(layers_.front(), x, [=](std::size_t o, float v) { hidden[o] = relu(v); });
    for (std::size_t layer = 1; layer + 1 < layers_.size(); layer += 2) {
      run_dense(layers_[layer], hidden, [=](std::size_t o, float v) { raised[o] = relu(v); });
      run_dense(layers_[layer + 1], raised, [=](std::size_t o, float v) { hidden[o] += v; });
    }
    run_dense(layers_.back(), hidden, [=](std::size_t o, float v) { y[o] = v; });

    const std::size_t bad_output = first_non_finite(y, output);
    if (bad_output < output) return {HeadStatus::output_not_finite, row * output + bad_output};
  }
  return {HeadStatus::ok, 0};
}

}  // namespace lapa_edge
