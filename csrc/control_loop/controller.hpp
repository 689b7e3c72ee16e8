// One control tick as a function of its inputs: no clock, no thread, no memory of the last tick.
//
// The same decisions and the same bits as lapa_edge/runtime/session.py, which says them in Python.
#pragma once

#include <cstddef>
#include <vector>

#include "action_head/action_head.hpp"
#include "control_loop/action_limits.hpp"
#include "control_loop/decision.hpp"
#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

/// Measured or inferred values and the time at which the world looked so, on the caller's clock.
struct Reading {
  std::vector<float> values;
  double seen_at_s;
};

/// `(x - mean) / std` and back, each step rounded to float32.
struct Scale {
  std::vector<float> mean, std;
};

/// How the head's input [latent, context, state, last action, latent age] is made, and its output
/// read. Plain numbers from a bundle's spec.
struct ControlSpec {
  std::size_t latent;                   // floats of latent and context together
  Scale state, action;                  // [s], [a]
  std::vector<double> low, high, stop;  // [a]
  double max_latent_age_s, max_state_age_s;

  std::size_t head_input() const noexcept {
    return latent + state.mean.size() + action.mean.size() + 1;
  }
};

class Controller {
 public:
  /// `head` takes spec.head_input() values, of which spec.latent are its prefix, and gives at least
  /// [a], the chunk's first action first.
  Controller(const ControlSpec& spec, ActionHead head);

  const ControlSpec& spec() const noexcept { return spec_; }
  const std::vector<float>& stop_action() const noexcept { return limits_.stop(); }

  /// The latent [latent] of the decisions to come, in physical order.
  void accept(const Reading& latent) noexcept LAPA_EDGE_NONBLOCKING;

  /// As if no latent had ever been accepted.
  void forget() noexcept LAPA_EDGE_NONBLOCKING { has_latent_ = false; }

  /// `state` [s], null where there is none yet; `last_action` [a], what the robot was told before.
  /// Writes `action` [a], always: finite, within its limits, the stop action unless `moving`.
  Decision decide(const Reading* state, const float* last_action, double now_s,
                  float* action) noexcept LAPA_EDGE_NONBLOCKING;

 private:
  Status find_fault(const Reading* state, Decision& decision) const noexcept LAPA_EDGE_NONBLOCKING;
  Status run_head(const Reading& state, const float* last_action, Decision& decision,
                  float* action) noexcept LAPA_EDGE_NONBLOCKING;

  ControlSpec spec_;
  ActionLimits limits_;
  ActionHead head_;
  std::vector<float> rest_, chunk_;  // [s + a + 1], [output]
  double latent_seen_at_s_ = 0;
  bool has_latent_ = false, latent_finite_ = false;
};

}  // namespace lapa_edge
