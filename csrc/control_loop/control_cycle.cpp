#include "control_loop/control_cycle.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace lapa_edge {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr Decision kNotRunning{Status::not_running, 0, 0, kNan, kNan};

}  // namespace

ControlCycle::ControlCycle(Controller controller)
    : controller_(std::move(controller)),
      standstill_(controller_.limits(), spec().stops),
      latents_({std::vector<float>(spec().latent), kNan}),
      states_({std::vector<float>(spec().state.mean.size()), kNan}),
      commands_(
          {standstill_.action(), standstill_.action(), kNotRunning, 0, kNan, standstill_.known()}),
      first_action_(spec().stop.begin(), spec().stop.end()),
      last_action_(first_action_),
      action_(first_action_),
      rehearsed_(first_action_) {}

void ControlCycle::take_latent(double at_s) noexcept {
  if (latents_.take()) {
    const Reading& latent = latents_.front();
    ticks_of_latent_ *= controller_.has_seen(latent.seen_at_s);  // no branch: see the proofs
    has_latent_ = true;
    controller_.accept(latent);
  }
  controller_.prepare(ticks_of_latent_, at_s);
}

void ControlCycle::take_state() noexcept {
  if (states_.take()) has_state_ = true;
}

void ControlCycle::rehearse(double now_s) noexcept {
  controller_.decide(state(), past(), now_s, rehearsed_.data());
}

Decision ControlCycle::act(double now_s) noexcept {
  if (has_state_) standstill_.see(states_.front().values.data());
  const Decision decision = controller_.decide(state(), past(), now_s, action_.data());
  std::swap(action_, last_action_);
  const bool moved = decision.status == Status::moving;
  standstill_.note_sent(last_action_.data(), moved);
  controller_.note(moved);
  ++tick_;
  ++ticks_of_latent_;
  publish(last_action_.data(), decision, now_s);
  by_status_[static_cast<std::size_t>(decision.status)].add(1);
  return decision;
}

void ControlCycle::finish(double now_s) noexcept {
  publish(standstill_.action().data(), kNotRunning, now_s);
  // What was sent to this episode must not start the next one.
  latents_.take();
  states_.take();
  has_latent_ = has_state_ = false;
  controller_.forget();
  standstill_.forget();
  std::copy(first_action_.begin(), first_action_.end(), last_action_.begin());
  tick_ = 0;
}

void ControlCycle::clear_counts() noexcept {
  for (Counter& count : by_status_) count.set(0);
}

void ControlCycle::publish(const float* action, const Decision& decision, double now_s) noexcept {
  Command& command = commands_.back();
  std::copy(action, action + command.action.size(), command.action.begin());
  const std::vector<float>& standstill = standstill_.action();
  std::copy(standstill.begin(), standstill.end(), command.standstill.begin());
  command.decision = decision;
  command.sendable = standstill_.known();
  command.tick = tick_;
  command.ticked_at_s = now_s;
  commands_.publish();
}

}  // namespace lapa_edge
