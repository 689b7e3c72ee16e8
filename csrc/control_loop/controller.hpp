// One control tick as a function of its inputs: no clock, no thread. Of the ticks before it knows
// what the head was told, from which a new latent takes over.
//
// The same decisions and the same bits as lapa_edge/runtime/session.py, which says them in Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "action_head/action_head.hpp"
#include "control_loop/action_limits.hpp"
#include "control_loop/decision.hpp"
#include "control_loop/hand_over.hpp"
#include "control_loop/nonblocking.hpp"
#include "control_loop/reading.hpp"
#include "control_loop/standstill.hpp"

namespace lapa_edge {

/// `(x - mean) / std` and back, each step rounded to float32.
struct Scale {
  std::vector<float> mean, std;
};

/// Which parts follow latent, context and state in the head's input, in this order.
struct HeadParts {
  bool last_action, latent_age, chunk_index;
};

/// How the head's input is made, and its output read. Plain numbers from a bundle's spec.
struct ControlSpec {
  std::size_t latent;                   // floats of latent and context together
  Scale state, action;                  // [s], [a]
  std::vector<double> low, high, stop;  // [a]
  StopKinds stops;
  HeadParts parts;
  double max_latent_age_s, max_state_age_s;
  double blend_s;  // that a new latent takes to drive alone
  double rate_hz;  // of the ticks that the chunk index counts

  std::size_t head_input() const noexcept {
    return latent + state.mean.size() + (parts.last_action ? action.mean.size() : 0) +
           parts.latent_age + parts.chunk_index;
  }
};

/// What earlier ticks left behind.
struct Past {
  const float* last_action;  // [a], what the robot was told last
  const float* standstill;   // [a], what makes it stand still now
  std::int64_t ticks;        // since the latent took over, 0 at the first
};

class Controller {
 public:
  /// `head` takes spec.head_input() values, of which spec.latent are its prefix, and gives at least
  /// [a], the chunk's first action first.
  Controller(const ControlSpec& spec, ActionHead head);

  const ControlSpec& spec() const noexcept { return spec_; }
  const ActionLimits& limits() const noexcept { return limits_; }

  /// The latent [latent] of the decisions to come, in physical order.
  void accept(const Reading& latent) noexcept LAPA_EDGE_NONBLOCKING;

  /// What the tick of `at_s` tells the head of latents, `ticks` after the newest took over; once
  /// per tick, after the last one's `note`. The longer part of a tick, where there is a way to go.
  void prepare(std::int64_t ticks, double at_s) noexcept LAPA_EDGE_NONBLOCKING;

  /// Whether the robot moves by what was decided for this tick.
  void note(bool moved) noexcept LAPA_EDGE_NONBLOCKING { hand_over_.note(moved); }

  /// Whether the latent that drives was seen at this time: the same look, handed over again.
  bool has_seen(double seen_at_s) const noexcept LAPA_EDGE_NONBLOCKING {
    return has_latent_ & (latent_seen_at_s_ == seen_at_s);
  }

  /// As if no latent had ever been accepted.
  void forget() noexcept LAPA_EDGE_NONBLOCKING {
    has_latent_ = false;
    hand_over_.note(false);
  }

  /// `state` [s], null where there is none yet. Writes `action` [a], always: finite, within its
  /// limits, that of `past.standstill` unless `moving`.
  Decision decide(const Reading* state, const Past& past, double now_s,
                  float* action) noexcept LAPA_EDGE_NONBLOCKING;

 private:
  Status find_fault(const Reading* state, Decision& decision) const noexcept LAPA_EDGE_NONBLOCKING;
  Status run_head(const Reading& state, const Past& past, Decision& decision,
                  float* action) noexcept LAPA_EDGE_NONBLOCKING;

  ControlSpec spec_;
  ActionLimits limits_;
  ActionHead head_;
  HandOver hand_over_;
  double max_ticks_;                 // of a latent
  std::vector<float> rest_, chunk_;  // [head_input - latent], [output]
  double latent_seen_at_s_ = 0;
  bool has_latent_ = false, latent_finite_ = false;
};

}  // namespace lapa_edge
