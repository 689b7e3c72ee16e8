// A dict of named arrays, checked and turned into the weights of an action head.
#pragma once

#include <pybind11/numpy.h>

#include <map>
#include <string>
#include <vector>

#include "action_head/action_head.hpp"
#include "bindings/arrays.hpp"

namespace lapa_edge::bindings {

/// Throws py::value_error naming the array that is missing, left over, of a wrong dtype or shape,
/// or not finite. `weights()` borrows from this object.
class CheckedWeights {
 public:
  explicit CheckedWeights(const py::dict& named);

  const HeadShape& shape() const noexcept { return shape_; }
  const HeadWeights& weights() const noexcept { return weights_; }

 private:
  bool has_block(std::size_t block) const;
  const py::array& find(const std::string& name) const;
  std::size_t read_side(const std::string& name, py::ssize_t axis) const;
  DenseWeights take(const std::string& layer, std::size_t outputs, std::size_t inputs);
  const float* take_array(const std::string& name, const std::vector<std::size_t>& shape);
  void check_none_left() const;

  std::map<std::string, py::array> given_;
  std::map<std::string, Array<float>> taken_;
  HeadShape shape_{};
  HeadWeights weights_{};
};

}  // namespace lapa_edge::bindings
