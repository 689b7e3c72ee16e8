// Dicts of named arrays, checked and turned into the weights and the calibration of an action head.
#pragma once

#include <string>
#include <vector>

#include "action_head/action_head.hpp"
#include "bindings/named_arrays.hpp"

namespace lapa_edge::bindings {

/// Throws py::value_error naming the array at fault. `weights()` borrows from this object.
class CheckedWeights {
 public:
  explicit CheckedWeights(const py::dict& named);

  const HeadShape& shape() const noexcept { return shape_; }
  const HeadWeights& weights() const noexcept { return weights_; }

 private:
  std::size_t read_side(const std::string& name, py::ssize_t axis) const;
  DenseWeights take(const std::string& layer, std::size_t outputs, std::size_t inputs);

  NamedArrays arrays_;
  HeadShape shape_{};
  HeadWeights weights_{};
};

/// One array per layer of a head of this shape, by the layer's name: the largest magnitudes that
/// entered it. `calibration()` borrows from this object.
class CheckedCalibration {
 public:
  CheckedCalibration(const py::dict& named, const HeadShape& shape);

  const HeadCalibration& calibration() const noexcept { return calibration_; }

 private:
  void take(const std::string& layer, std::size_t inputs);

  NamedArrays arrays_;
  HeadCalibration calibration_;
};

}  // namespace lapa_edge::bindings
