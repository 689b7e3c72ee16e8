#include "control_loop/standstill.hpp"

#include <algorithm>
#include <cstring>

#include "base/finite.hpp"

namespace lapa_edge {
namespace {

// By masks: how long a tick takes may not depend on what was measured.
float select(bool condition, float yes, float no) noexcept {
  const std::uint32_t mask = -static_cast<std::uint32_t>(condition);
  std::uint32_t a, b;
  std::memcpy(&a, &yes, sizeof a);
  std::memcpy(&b, &no, sizeof b);
  const std::uint32_t chosen = (a & mask) | (b & ~mask);
  float result;
  std::memcpy(&result, &chosen, sizeof result);
  return result;
}

}  // namespace

Standstill::Standstill(const ActionLimits& limits, StopKinds kinds)
    : first_action_(limits.stop()), grippers_(std::move(kinds.grippers)), action_(first_action_) {
  for (const auto& [action, state] : kinds.holds) {
    holds_.push_back({action, state, limits.low()[action], limits.high()[action]});
  }
  known_ = holds_.empty();
}

void Standstill::see(const float* state) noexcept {
  bool all = true;
  for (const Hold& hold : holds_) {
    const float measured = state[hold.state];
    const bool finite = is_finite(measured);
    const float raised = select(measured > hold.low, measured, hold.low);
    const float bounded = select(raised < hold.high, raised, hold.high);
    float& held = action_[hold.action];
    held = select(finite & (moving_ | !known_), bounded, held);
    all &= finite;
  }
  known_ |= all;
}

void Standstill::note_sent(const float* action, bool moving) noexcept {
  for (const std::size_t i : grippers_) action_[i] = action[i];
  moving_ = moving;
}

void Standstill::forget() noexcept {
  std::copy(first_action_.begin(), first_action_.end(), action_.begin());
  known_ = holds_.empty();
  moving_ = false;
}

}  // namespace lapa_edge
