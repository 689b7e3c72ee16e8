#include "control_loop/action_limits.hpp"

#include <cmath>
#include <limits>

namespace lapa_edge {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// 0.1 as float32 is 0.1 + 1.5e-9: outside, if it is an upper limit.
float round_up(double limit) {
  const auto rounded = static_cast<float>(limit);
  return rounded < limit ? std::nextafter(rounded, kInfinity) : rounded;
}

}  // namespace

ActionLimits::ActionLimits(const std::vector<double>& low, const std::vector<double>& high,
                           const std::vector<double>& stop) {
  for (std::size_t i = 0; i < stop.size(); ++i) {
    low_.push_back(round_up(low[i]));
    high_.push_back(-round_up(-high[i]));
    stop_.push_back(static_cast<float>(stop[i]));
  }
  clamp(stop_.data());
}

std::uint32_t ActionLimits::clamp(float* action) const noexcept {
  std::uint32_t clamped = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    // Low first: where rounding inwards has crossed the limits, numpy's clip answers high too.
    // Equal zeros take the limit's sign, as there.
    const float raised = action[i] > low_[i] ? action[i] : low_[i];
    const float bounded = raised < high_[i] ? raised : high_[i];
    clamped += bounded != action[i];
    action[i] = bounded;
  }
  return clamped;
}

}  // namespace lapa_edge
