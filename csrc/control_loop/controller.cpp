#include "control_loop/controller.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/finite.hpp"

namespace lapa_edge {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

float* normalise(const Scale& scale, const float* x, float* to) noexcept {
  for (std::size_t i = 0; i < scale.mean.size(); ++i) *to++ = (x[i] - scale.mean[i]) / scale.std[i];
  return to;
}

}  // namespace

Controller::Controller(const ControlSpec& spec, ActionHead head)
    : spec_(spec),
      limits_(spec.low, spec.high, spec.stop),
      head_(std::move(head)),
      hand_over_(spec.latent, spec.blend_s * spec.rate_hz, spec.max_latent_age_s),
      max_ticks_(spec.max_latent_age_s * spec.rate_hz),
      rest_(spec.head_input() - spec.latent),
      chunk_(head_.shape().output) {}

void Controller::accept(const Reading& latent) noexcept {
  hand_over_.accept(latent);
  latent_seen_at_s_ = latent.seen_at_s;
  has_latent_ = true;
}

void Controller::prepare(std::int64_t ticks, double at_s) noexcept {
  if (!hand_over_.mix(ticks, at_s)) return;
  const std::vector<float>& told = hand_over_.told();
  latent_finite_ = all_finite(told.data(), told.size());
  if (latent_finite_) head_.set_prefix(told.data());
}

Decision Controller::decide(const Reading* state, const Past& past, double now_s,
                            float* action) noexcept {
  Decision decision{Status::moving, 0, 0, has_latent_ ? now_s - latent_seen_at_s_ : kNan,
                    state != nullptr ? now_s - state->seen_at_s : kNan};
  decision.status = find_fault(state, decision);
  if (decision.status == Status::moving) {
    decision.status = run_head(*state, past, decision, action);
  }
  if (decision.status != Status::moving) {
    std::copy(past.standstill, past.standstill + limits_.size(), action);
  }
  return decision;
}

Status Controller::find_fault(const Reading* state, Decision& decision) const noexcept {
  if (!has_latent_) return Status::no_latent;
  if (!(decision.latent_age_s >= 0)) return Status::latent_time_not_past;  // NaN included
  if (decision.latent_age_s > spec_.max_latent_age_s) return Status::latent_too_old;
  if (state == nullptr) return Status::no_state;
  if (!(decision.state_age_s >= 0)) return Status::state_time_not_past;
  if (decision.state_age_s > spec_.max_state_age_s) return Status::state_too_old;
  if (!all_finite(state->values.data(), state->values.size())) return Status::state_not_finite;
  if (!latent_finite_) return Status::latent_not_finite;
  return Status::moving;
}

Status Controller::run_head(const Reading& state, const Past& past, Decision& decision,
                            float* action) noexcept {
  float* rest = normalise(spec_.state, state.values.data(), rest_.data());
  const HeadParts& parts = spec_.parts;
  if (parts.last_action) rest = normalise(spec_.action, past.last_action, rest);
  if (parts.latent_age) {
    *rest++ = static_cast<float>(decision.latent_age_s / spec_.max_latent_age_s);
  }
  if (parts.chunk_index) *rest = static_cast<float>(static_cast<double>(past.ticks) / max_ticks_);
  if (!all_finite(rest_.data(), rest_.size())) return Status::input_overflow;

  const HeadResult result = head_.forward_rest(rest_.data(), chunk_.data());
  if (result.status != HeadStatus::ok) {
    decision.where = static_cast<std::uint32_t>(result.index);
    return Status::head_overflow;
  }

  const Scale& scale = spec_.action;
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    action[i] = chunk_[i] * scale.std[i] + scale.mean[i];
  }
  if (!all_finite(action, limits_.size())) return Status::action_not_finite;
  decision.clamped = limits_.clamp(action);
  return Status::moving;
}

}  // namespace lapa_edge
