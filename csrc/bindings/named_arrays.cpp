#include "bindings/named_arrays.hpp"

#include <algorithm>
#include <utility>

#include "base/finite.hpp"

namespace lapa_edge::bindings {
namespace {

std::string float32_of(const std::vector<std::size_t>& shape) {
  std::string text = "float32 [" + std::to_string(shape.front());
  for (auto side = shape.begin() + 1; side != shape.end(); ++side) {
    text += ", " + std::to_string(*side);
  }
  return text + "]";
}

}  // namespace

NamedArrays::NamedArrays(const py::dict& named, std::string thing, std::string prefix,
                         std::string fix)
    : thing_(std::move(thing)), prefix_(std::move(prefix)), fix_(std::move(fix)) {
  for (const auto& [key, value] : named) {
    const std::string name = py::str(key);
    if (!py::isinstance<py::array>(value)) {
      refuse(prefix_ + name, "a float32 array",
             py::str(py::type::of(value).attr("__name__")).cast<std::string>());
    }
    given_.emplace(name, py::reinterpret_borrow<py::array>(value));
  }
}

bool NamedArrays::has(const std::string& start) const {
  const auto found = given_.lower_bound(start);
  return found != given_.end() && found->first.compare(0, start.size(), start) == 0;
}

const py::array& NamedArrays::find(const std::string& name) const {
  const auto found = given_.find(name);
  if (found == given_.end()) refuse(thing_, "an array named " + name, "none", fix_);
  return found->second;
}

const float* NamedArrays::take(const std::string& name, const std::vector<std::size_t>& shape) {
  const py::array& array = find(name);
  const std::string expected = float32_of(shape);
  const auto axes = static_cast<py::ssize_t>(shape.size());
  const Array<float> values = contiguous<float>(prefix_ + name, array, axes, expected, fix_);
  const bool same = std::equal(shape.begin(), shape.end(), values.shape(),
                               [](std::size_t a, py::ssize_t b) { return py::ssize_t(a) == b; });
  if (!same) refuse(prefix_ + name, expected, describe(array), fix_);

  const auto count = static_cast<std::size_t>(values.size());
  const std::size_t bad = first_non_finite(values.data(), count);
  if (bad < count) {
    refuse(prefix_ + name, "finite values", "NaN or infinity at flat index " + std::to_string(bad),
           fix_);
  }
  return taken_.emplace(name, values).first->second.data();
}

void NamedArrays::check_none_left() const {
  for (const auto& entry : given_) {
    if (taken_.count(entry.first) == 0) {
      refuse(thing_, "only the arrays of an action head", entry.first, fix_);
    }
  }
}

}  // namespace lapa_edge::bindings
