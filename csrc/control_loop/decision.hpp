// What comes of one control tick: an action, and whether it is the head's or the stop action.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lapa_edge {

/// Why the robot was told to stand still, in the order in which a tick asks; `moving` if it wasn't.
enum class Status : std::uint32_t {
  moving,
  not_running,           // no tick yet, or the loop has ended
  no_latent,             // the policy has not looked yet
  latent_time_not_past,  // negative age, or NaN
  latent_too_old,
  no_state,
  state_time_not_past,
  state_too_old,
  state_not_finite,
  latent_not_finite,  // latent or context
  input_overflow,     // state or last action, once normalised
  head_overflow,      // `where`: which output of the head
  action_not_finite,
};

constexpr std::size_t kStatuses = static_cast<std::size_t>(Status::action_not_finite) + 1;

constexpr const char* kStatusNames[kStatuses] = {
    "moving",
    "not_running",
    "no_latent",
    "latent_time_not_past",
    "latent_too_old",
    "no_state",
    "state_time_not_past",
    "state_too_old",
    "state_not_finite",
    "latent_not_finite",
    "input_overflow",
    "head_overflow",
    "action_not_finite",
};

struct Decision {
  Status status;
  std::uint32_t clamped;  // dimensions that had to be brought into their limits
  std::uint32_t where;    // index of the fault, where the status says of what
  double latent_age_s;    // NaN without a latent
  double state_age_s;     // NaN without a state
};

}  // namespace lapa_edge
