// The mailboxes around the controller, and one tick through them; still no thread and no clock.
//
// latents, states -> take_latent, take_state -> act -> commands. Everything that a tick does is
// here, so that a test, a simulator and the real-time thread run the very same instructions.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "control_loop/controller.hpp"
#include "control_loop/decision.hpp"
#include "control_loop/histogram.hpp"
#include "control_loop/nonblocking.hpp"
#include "control_loop/triple_buffer.hpp"

namespace lapa_edge {

/// What the robot is told by one tick.
struct Command {
  std::vector<float> action;      // [a]
  std::vector<float> standstill;  // [a]; what stops the robot after it, if no other tick follows
  Decision decision;
  std::int64_t tick;   // 1, 2, ... since the start; 0 before the first
  double ticked_at_s;  // NaN before the first
  bool sendable;       // else nobody knows where the robot stands, and a position would move it
};

class ControlCycle {
 public:
  explicit ControlCycle(Controller controller);

  const ControlSpec& spec() const noexcept { return controller_.spec(); }

  /// One writer each, other than the ticking thread; the writer fills the whole of `back()`.
  TripleBuffer<Reading>& latents() noexcept { return latents_; }
  TripleBuffer<Reading>& states() noexcept { return states_; }
  /// One reader.
  TripleBuffer<Command>& commands() noexcept { return commands_; }

  /// How many ticks since the start ended so; any thread may ask.
  std::int64_t ticks_with(Status status) const noexcept {
    return by_status_[static_cast<std::size_t>(status)].get();
  }

  // What follows belongs to the thread that ticks.

  /// The newest latent drives from now on; the chunk index begins anew, unless it is the same look
  /// handed over again. Once per tick, for the tick that is due `at_s`: the longer part of it,
  /// where a latent takes over.
  void take_latent(double at_s) noexcept LAPA_EDGE_NONBLOCKING;

  /// The newest state. Take the time afterwards: then it cannot lie before the state's.
  void take_state() noexcept LAPA_EDGE_NONBLOCKING;

  /// Decides and throws the answer away: weights and code are in the cache when it counts.
  void rehearse(double now_s) noexcept LAPA_EDGE_NONBLOCKING;

  /// Decides, publishes, counts; the chunk index too, whether the robot moves or not.
  Decision act(double now_s) noexcept LAPA_EDGE_NONBLOCKING;

  /// Publishes what stands still and forgets the episode: inputs, last action, tick number.
  void finish(double now_s) noexcept LAPA_EDGE_NONBLOCKING;

  /// Counts from zero.
  void clear_counts() noexcept;

  /// The inputs that a tick would find, null where there is none.
  const Reading* latent() const noexcept { return has_latent_ ? &latents_.front() : nullptr; }
  const Reading* state() const noexcept { return has_state_ ? &states_.front() : nullptr; }

 private:
  Past past() const noexcept LAPA_EDGE_NONBLOCKING {
    return {last_action_.data(), standstill_.action().data(), ticks_of_latent_};
  }
  void publish(const float* action, const Decision& decision,
               double now_s) noexcept LAPA_EDGE_NONBLOCKING;

  Controller controller_;
  Standstill standstill_;
  TripleBuffer<Reading> latents_, states_;
  TripleBuffer<Command> commands_;
  const std::vector<float> first_action_;                // [a]; what an episode begins after: stop
  std::vector<float> last_action_, action_, rehearsed_;  // [a]
  std::array<Counter, kStatuses> by_status_;
  std::int64_t tick_ = 0, ticks_of_latent_ = 0;
  bool has_latent_ = false, has_state_ = false;
};

}  // namespace lapa_edge
