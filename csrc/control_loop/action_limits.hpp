// What the robot may be told: lapa_edge/runtime/action_limits.py again, as the loop runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

/// float32 limits, rounded inwards, never beyond the float64 they came from.
class ActionLimits {
 public:
  /// All [a]; finite, low <= stop <= high.
  ActionLimits(const std::vector<double>& low, const std::vector<double>& high,
               const std::vector<double>& stop);

  std::size_t size() const noexcept { return stop_.size(); }

  const std::vector<float>& low() const noexcept { return low_; }
  const std::vector<float>& high() const noexcept { return high_; }

  /// The spec's stop action, [a]; see Standstill for where it does not stop the robot.
  const std::vector<float>& stop() const noexcept { return stop_; }

  /// Brings `action` [a], finite, into bounds; returns how many values changed.
  std::uint32_t clamp(float* action) const noexcept LAPA_EDGE_NONBLOCKING;

 private:
  std::vector<float> low_, high_, stop_;
};

}  // namespace lapa_edge
