// A dict of named float32 arrays, taken out one by one and checked.
#pragma once

#include <pybind11/numpy.h>

#include <map>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"

namespace lapa_edge::bindings {

/// Throws py::value_error naming the array that is missing, left over, of a wrong dtype or shape,
/// or not finite. What was taken lives as long as this object.
class NamedArrays {
 public:
  /// `thing` is what the dict is called in messages; `prefix` stands before its arrays' names.
  NamedArrays(const py::dict& named, std::string thing, std::string prefix = "",
              std::string fix = "");

  /// Whether any array's name begins with `start`.
  bool has(const std::string& start) const;

  /// The array as it came.
  const py::array& find(const std::string& name) const;

  const float* take(const std::string& name, const std::vector<std::size_t>& shape);

  /// Refuses a dict that holds more than what was taken.
  void check_none_left() const;

 private:
  std::string thing_, prefix_, fix_;
  std::map<std::string, py::array> given_;
  std::map<std::string, Array<float>> taken_;
};

}  // namespace lapa_edge::bindings
