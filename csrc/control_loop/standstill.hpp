// What makes the robot stand still: lapa_edge/runtime/standstill.py again, as the loop runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "control_loop/action_limits.hpp"
#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

/// Which actions do not stop at the spec's stop: see ActionSpec.kinds.
struct StopKinds {
  std::vector<std::pair<std::size_t, std::size_t>> holds;  // position, the state that measures it
  std::vector<std::size_t> grippers;
};

class Standstill {
 public:
  Standstill(const ActionLimits& limits, StopKinds kinds);

  /// The stop action as things stand, [a]: finite and within the limits.
  const std::vector<float>& action() const noexcept { return action_; }

  /// Whether one state had every position in this episode: else the action is a guess.
  bool known() const noexcept LAPA_EDGE_NONBLOCKING { return known_; }

  /// Notes a measured state [s]; of one that is not finite, the values that are. A position is that
  /// of the last tick that moved, or it would sink with the arm; until all are known the arm was
  /// sent nothing, a hand may move it, and each is followed.
  void see(const float* state) noexcept LAPA_EDGE_NONBLOCKING;

  /// Notes what the robot was told, [a], and whether it was told to move.
  void note_sent(const float* action, bool moving) noexcept LAPA_EDGE_NONBLOCKING;

  /// A new episode: nothing measured, nothing sent.
  void forget() noexcept LAPA_EDGE_NONBLOCKING;

 private:
  struct Hold {
    std::size_t action, state;
    float low, high;
  };

  const std::vector<float> first_action_;  // [a], the spec's stop
  std::vector<Hold> holds_;
  std::vector<std::size_t> grippers_;
  std::vector<float> action_;  // [a]
  bool known_, moving_ = false;
};

}  // namespace lapa_edge
