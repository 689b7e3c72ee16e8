#include "bindings/head_weights.hpp"

namespace lapa_edge::bindings {
namespace {

// Beyond these the scales of int8 leave float32; nothing that a network computes comes near.
constexpr float kSmallest = 1e-30f, kLargest = 1e30f;

std::string block_name(std::size_t block) {
  return "blocks." + std::to_string(block) + ".";
}

}  // namespace

CheckedWeights::CheckedWeights(const py::dict& named) : arrays_(named, "weights") {
  // The first and last matrix say the sizes, the first block whether there are gates; everything
  // else must agree with them.
  shape_.width = read_side("input.weight", 0);
  shape_.input = read_side("input.weight", 1);
  shape_.output = read_side("output.weight", 0);
  shape_.gated = arrays_.has(block_name(0) + "gate.");
  weights_.input = take("input", shape_.width, shape_.input);
  for (; arrays_.has(block_name(shape_.blocks)); ++shape_.blocks) {
    const std::string block = block_name(shape_.blocks);
    weights_.up.push_back(take(block + "up", shape_.width, shape_.width));
    if (shape_.gated) weights_.gate.push_back(take(block + "gate", shape_.width, shape_.width));
    weights_.down.push_back(take(block + "down", shape_.width, shape_.width));
  }
  weights_.output = take("output", shape_.output, shape_.width);
  arrays_.check_none_left();
}

std::size_t CheckedWeights::read_side(const std::string& name, py::ssize_t axis) const {
  const py::array& array = arrays_.find(name);
  if (array.ndim() != 2 || array.shape(axis) == 0) {
    refuse(name, "float32 [outputs, inputs], none of them 0", describe(array));
  }
  return static_cast<std::size_t>(array.shape(axis));
}

DenseWeights CheckedWeights::take(const std::string& layer, std::size_t outputs,
                                  std::size_t inputs) {
  return {arrays_.take(layer + ".weight", {outputs, inputs}),
          arrays_.take(layer + ".bias", {outputs})};
}

CheckedCalibration::CheckedCalibration(const py::dict& named, const HeadShape& shape)
    : arrays_(named, "calibration", "calibration.", "export the bundle again") {
  take("input", shape.input);
  for (std::size_t block = 0; block < shape.blocks; ++block) {
    take(block_name(block) + "up", shape.width);
    if (shape.gated) take(block_name(block) + "gate", shape.width);
    take(block_name(block) + "down", shape.width);
  }
  take("output", shape.width);
  arrays_.check_none_left();
}

void CheckedCalibration::take(const std::string& layer, std::size_t inputs) {
  const float* largest = arrays_.take(layer, {inputs});
  for (std::size_t i = 0; i < inputs; ++i) {
    if (largest[i] < kSmallest || largest[i] > kLargest) {
      refuse("calibration." + layer, "values of 1e-30 to 1e30",
             py::str(py::float_(largest[i])).cast<std::string>() + " at index " + std::to_string(i),
             "export the bundle again");
    }
  }
  calibration_.push_back(largest);
}

}  // namespace lapa_edge::bindings
