#include "action_head/action_head.hpp"

#include <algorithm>

#include "base/finite.hpp"
#include "simd/kernels.hpp"

namespace lapa_edge {

std::vector<HeadLayer> layers_in_order(const HeadShape& shape, const HeadWeights& weights) {
  std::vector<HeadLayer> layers{{weights.input, shape.input, shape.width}};
  for (std::size_t block = 0; block < shape.blocks; ++block) {
    layers.push_back({weights.up[block], shape.width, shape.width});
    if (shape.gated) layers.push_back({weights.gate[block], shape.width, shape.width});
    layers.push_back({weights.down[block], shape.width, shape.width});
  }
  layers.push_back({weights.output, shape.width, shape.output});
  return layers;
}

const DensePass& ActionHead::pass_of(HeadPrecision precision) noexcept {
  const DenseKernels& dense = kernels().dense;
  switch (precision) {
    case HeadPrecision::bf16:
      return dense.bf16;
    case HeadPrecision::int8:
      return dense.int8;
    default:
      return dense.f32;
  }
}

ActionHead::Storage ActionHead::pack(const std::vector<HeadLayer>& layers, HeadPrecision precision,
                                     const DensePass& pass, const HeadCalibration& calibration) {
  std::vector<PackedFloat32> f32;
  std::vector<PackedBf16> bf16;
  std::vector<PackedInt8> int8;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto& [dense, inputs, outputs] = layers[l];
    const DenseSize size{inputs, outputs, pass.panel};
    switch (precision) {
      case HeadPrecision::f32:
        f32.emplace_back(dense, size);
        break;
      case HeadPrecision::bf16:
        bf16.emplace_back(dense, size);
        break;
      case HeadPrecision::int8:
        int8.emplace_back(dense, calibration.at(l), size, pass.input_offset);
        break;
    }
  }
  if (precision == HeadPrecision::bf16) return bf16;
  if (precision == HeadPrecision::int8) return int8;
  return f32;
}

ActionHead::ActionHead(const HeadShape& shape, const HeadWeights& weights, HeadPrecision precision,
                       std::size_t prefix, const HeadCalibration& calibration)
    : shape_(shape),
      prefix_(prefix),
      pass_(pass_of(precision)),
      storage_(pack(layers_in_order(shape, weights), precision, pass_, calibration)),
      input_(padded_inputs(shape.input)),
      split_input_(input_.size()) {
  std::visit(
      [this](auto& layers) {
        for (auto& layer : layers) layers_.push_back(layer.view());
      },
      storage_);
  hidden_ = AlignedBuffer<float>(layers_.front().panels * pass_.panel);
  raised_ = AlignedBuffer<float>(hidden_.size());
  output_ = AlignedBuffer<float>(layers_.back().panels * pass_.panel);
  sums_ = AlignedBuffer<float>(hidden_.size() * kPhases);
  if (prefix_ == 0) set_prefix(nullptr);
}

HeadResult ActionHead::forward(const float* x, float* y, std::size_t b) noexcept {
  for (std::size_t row = 0; row < b; ++row, x += shape_.input, y += shape_.output) {
    const std::size_t bad = first_non_finite(x, shape_.input);
    if (bad < shape_.input) return {HeadStatus::input_not_finite, row * shape_.input + bad};
    std::copy(x, x + shape_.input, input_.begin());
    HeadResult result = run_layers(input_.data(), {0, layers_.front().inputs, nullptr}, y);
    if (result.status != HeadStatus::ok) {
      result.index += row * shape_.output;
      return result;
    }
  }
  return {HeadStatus::ok, 0};
}

HeadResult ActionHead::set_prefix(const float* x) noexcept {
  prefix_set_ = false;
  const std::size_t bad = first_non_finite(x, prefix_);
  if (bad < prefix_) return {HeadStatus::input_not_finite, bad};
  std::copy(x, x + prefix_, split_input_.begin());
  pass_.accumulate(layers_.front(), split_input_.data(), {0, prefix_ / kPhases * kPhases, nullptr},
                   sums_.data());
  prefix_set_ = true;
  return {HeadStatus::ok, 0};
}

HeadResult ActionHead::forward_rest(const float* x, float* y) noexcept {
  if (!prefix_set_) return {HeadStatus::prefix_not_set, 0};
  const std::size_t rest = shape_.input - prefix_;
  const std::size_t bad = first_non_finite(x, rest);
  if (bad < rest) return {HeadStatus::input_not_finite, bad};
  std::copy(x, x + rest, split_input_.begin() + prefix_);
  const std::size_t first = prefix_ / kPhases * kPhases;
  return run_layers(split_input_.data(), {first, layers_.front().inputs, sums_.data()}, y);
}

HeadResult ActionHead::run_layers(const float* input, Columns columns, float* y) noexcept {
  pass_.run(layers_.front(), input, columns, Epilogue::relu, hidden_.data());
  const std::size_t last = layers_.size() - 1;
  for (std::size_t layer = 1; layer < last;) {
    if (shape_.gated) {
      run(layer++, hidden_, Epilogue::assign, raised_);
      run(layer++, hidden_, Epilogue::gate, raised_);
    } else {
      run(layer++, hidden_, Epilogue::relu, raised_);
    }
    run(layer++, raised_, Epilogue::add, hidden_);
  }
  run(last, hidden_, Epilogue::assign, output_);

  std::copy(output_.begin(), output_.begin() + shape_.output, y);
  const std::size_t bad = first_non_finite(y, shape_.output);
  if (bad < shape_.output) return {HeadStatus::output_not_finite, bad};
  return {HeadStatus::ok, 0};
}

void ActionHead::run(std::size_t layer, const AlignedBuffer<float>& from, Epilogue epilogue,
                     AlignedBuffer<float>& to) noexcept {
  const DenseView& view = layers_[layer];
  pass_.run(view, from.data(), {0, view.inputs, nullptr}, epilogue, to.data());
}

}  // namespace lapa_edge
