// For callgrind: one tick per kind of input, its instructions dumped under the status's name. How
// long a tick takes may depend on how it ends, never on the values.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <limits>
#include <string>

#include "proofs/rig.hpp"
#include "simd/instruction_set.hpp"

namespace {

using lapa_edge::ControlCycle;
using lapa_edge::Decision;
using lapa_edge::Status;

constexpr std::size_t kVariants = 6;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What a latent, a context or a state may look like and still drive the robot.
void fill_ordinary(std::vector<float>& values, rig::Random& random, std::size_t variant) {
  constexpr float kScales[kVariants] = {1.0f, 0.0f, -0.0f, 1e-42f, 100.0f, 1e-3f};
  for (float& value : values) value = random.next() * kScales[variant];
}

// NaN or infinity somewhere, a large number everywhere, 0 nowhere.
void spoil(std::vector<float>& values, float bad, rig::Random& random, std::size_t variant) {
  if (!std::isfinite(bad)) {
    values[variant] = bad;
  } else if (bad != 0) {
    for (float& value : values) value = std::copysign(bad, random.next());
  }
}

struct Case {
  Status ends;
  float in_state, in_latent;
  double latent_age_s, state_age_s;
};

constexpr Case kCases[] = {
    {Status::moving, 0, 0, 0.1, 0.01},
    {Status::latent_time_not_past, 0, 0, -0.1, 0.01},
    {Status::latent_too_old, 0, 0, 11, 0.01},
    {Status::state_time_not_past, 0, 0, 0.1, -0.01},
    {Status::state_too_old, 0, 0, 0.1, 11},
    {Status::state_not_finite, kNan, 0, 0.1, 0.01},
    {Status::state_not_finite, kInfinity, 0, 0.1, 0.01},
    {Status::latent_not_finite, 0, kNan, 0.1, 0.01},
    {Status::latent_not_finite, 0, -kInfinity, 0.1, 0.01},
    {Status::input_overflow, 3e38f, 0, 0.1, 0.01},
    {Status::head_overflow, 0, 3e38f, 0.1, 0.01},
};

bool run(ControlCycle& cycle, const Case& kind, std::size_t variant, bool breaks) {
  constexpr double kNow = 10;
  rig::Random random(variant + 1);
  lapa_edge::Reading& latent = cycle.latents().back();
  fill_ordinary(latent.values, random, variant);
  spoil(latent.values, kind.in_latent, random, variant);
  latent.seen_at_s = kNow - kind.latent_age_s - 0.01 * variant * (kind.latent_age_s > 0.1);
  cycle.latents().publish();
  lapa_edge::Reading& state = cycle.states().back();
  fill_ordinary(state.values, random, variant);
  spoil(state.values, kind.in_state, random, variant);
  state.seen_at_s = kNow - kind.state_age_s;
  cycle.states().publish();

  CALLGRIND_TOGGLE_COLLECT;
  cycle.take_latent(kNow);
  cycle.take_state();
  cycle.rehearse(kNow);
  const Decision decision = cycle.act(kNow);
  if (breaks && latent.values[3] > 0) cycle.rehearse(kNow);
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(lapa_edge::kStatusNames[static_cast<std::size_t>(decision.status)]);
  return decision.status == kind.ends;
}

// From its deadline on, a tick costs the same while a latent takes over, and after it: dumped as
// "act", tick by tick.
bool run_hand_over(ControlCycle& cycle) {
  rig::Random random(7);
  for (int tick = 0; tick < 24; ++tick) {
    const double now_s = 20 + 1e-3 * tick;
    if (tick % 12 == 0) rig::send(cycle.latents(), random, now_s);
    rig::send(cycle.states(), random, now_s);
    cycle.take_latent(now_s);
    cycle.take_state();
    CALLGRIND_TOGGLE_COLLECT;
    const Decision decision = cycle.act(now_s);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT("act");
    if (decision.status != Status::moving) return false;
  }
  return true;
}

}  // namespace

// instructions INSTRUCTION_SET [--break]
int main(int count, char** arguments) {
  if (count < 2) return 2;
  for (const auto set : lapa_edge::runnable_instruction_sets()) {
    if (lapa_edge::name_of(set) != arguments[1]) continue;
    lapa_edge::choose_instruction_set(set);
    ControlCycle cycle(rig::build_controller());
    for (const Case& kind : kCases) {
      for (std::size_t variant = 0; variant < kVariants; ++variant) {
        if (run(cycle, kind, variant, rig::asked_to_break(count - 1, arguments + 1))) continue;
        std::printf("variant %zu did not end as %s\n", variant,
                    lapa_edge::kStatusNames[static_cast<std::size_t>(kind.ends)]);
        return 3;
      }
    }
    if (run_hand_over(cycle)) return 0;
    std::printf("a tick of the hand-over did not move\n");
    return 3;
  }
  std::printf("not run by this CPU: %s\n", arguments[1]);
  return 77;
}
