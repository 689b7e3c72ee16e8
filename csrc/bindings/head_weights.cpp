#include "bindings/head_weights.hpp"

#include <algorithm>

#include "base/finite.hpp"

namespace lapa_edge::bindings {
namespace {

std::string block_name(std::size_t block) {
  return "blocks." + std::to_string(block) + ".";
}

std::string float32_of(const std::vector<std::size_t>& shape) {
  std::string text = "float32 [" + std::to_string(shape.front());
  for (auto side = shape.begin() + 1; side != shape.end(); ++side) {
    text += ", " + std::to_string(*side);
  }
  return text + "]";
}

}  // namespace

CheckedWeights::CheckedWeights(const py::dict& named) {
  for (const auto& [key, value] : named) {
    const std::string name = py::str(key);
    if (!py::isinstance<py::array>(value)) {
      refuse(name, "a float32 array",
             py::str(py::type::of(value).attr("__name__")).cast<std::string>());
    }
    given_.emplace(name, py::reinterpret_borrow<py::array>(value));
  }

  // The first and last matrix say the sizes; everything else must agree with them.
  shape_.width = read_side("input.weight", 0);
  shape_.input = read_side("input.weight", 1);
  shape_.output = read_side("output.weight", 0);
  weights_.input = take("input", shape_.width, shape_.input);
  for (; has_block(shape_.blocks); ++shape_.blocks) {
    const std::string block = block_name(shape_.blocks);
    weights_.up.push_back(take(block + "up", shape_.width, shape_.width));
    weights_.down.push_back(take(block + "down", shape_.width, shape_.width));
  }
  weights_.output = take("output", shape_.output, shape_.width);
  check_none_left();
}

bool CheckedWeights::has_block(std::size_t block) const {
  const std::string prefix = block_name(block);
  const auto found = given_.lower_bound(prefix);
  return found != given_.end() && found->first.compare(0, prefix.size(), prefix) == 0;
}

const py::array& CheckedWeights::find(const std::string& name) const {
  const auto found = given_.find(name);
  if (found == given_.end()) refuse("weights", "an array named " + name, "none");
  return found->second;
}

std::size_t CheckedWeights::read_side(const std::string& name, py::ssize_t axis) const {
  const py::array& array = find(name);
  if (array.ndim() != 2 || array.shape(axis) == 0) {
    refuse(name, "float32 [outputs, inputs], none of them 0", describe(array));
  }
  return static_cast<std::size_t>(array.shape(axis));
}

DenseWeights CheckedWeights::take(const std::string& layer, std::size_t outputs,
                                  std::size_t inputs) {
  return {take_array(layer + ".weight", {outputs, inputs}), take_array(layer + ".bias", {outputs})};
}

const float* CheckedWeights::take_array(const std::string& name,
                                        const std::vector<std::size_t>& shape) {
  const py::array& array = find(name);
  const std::string expected = float32_of(shape);
  const auto axes = static_cast<py::ssize_t>(shape.size());
  const Array<float> values = contiguous<float>(name, array, axes, expected);
  const bool same = std::equal(shape.begin(), shape.end(), values.shape(),
                               [](std::size_t a, py::ssize_t b) { return py::ssize_t(a) == b; });
  if (!same) refuse(name, expected, describe(array));

  const auto count = static_cast<std::size_t>(values.size());
  const std::size_t bad = first_non_finite(values.data(), count);
  if (bad < count) {
    refuse(name, "finite values", "NaN or infinity at flat index " + std::to_string(bad));
  }
  return taken_.emplace(name, values).first->second.data();
}

void CheckedWeights::check_none_left() const {
  for (const auto& entry : given_) {
    if (taken_.count(entry.first) == 0) {
      refuse("weights", "only the arrays of an action head", entry.first);
    }
  }
}

}  // namespace lapa_edge::bindings
