// How a new latent takes over: lapa_edge/runtime/hand_over.py again, as the loop runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "control_loop/nonblocking.hpp"
#include "control_loop/reading.hpp"

namespace lapa_edge {

/// Latent and context as the head is told them: the newest, or a mixture on the way there.
class HandOver {
 public:
  /// `ticks` that a new latent takes; `max_age_s` of the look that may still lead to it.
  HandOver(std::size_t latent, double ticks, double max_age_s);

  /// The latent [latent] that the ticks to come lead to.
  void accept(const Reading& latent) noexcept LAPA_EDGE_NONBLOCKING;

  /// What the head is told at the tick of `at_s`, the one after `ticks` others of this latent; once
  /// per tick. False where it is what it was: the newest had arrived before.
  bool mix(std::int64_t ticks, double at_s) noexcept LAPA_EDGE_NONBLOCKING;

  /// [latent]; not finite if the newest latent is not.
  const std::vector<float>& told() const noexcept { return told_.values; }

  /// Whether the robot moved in this tick: one that stood still is led by nothing.
  void note(bool moved) noexcept LAPA_EDGE_NONBLOCKING;

 private:
  /// Above 0; 1 arrives.
  double share_of_way(std::int64_t ticks, double at_s) const noexcept LAPA_EDGE_NONBLOCKING;

  double ticks_, max_age_s_;
  // A mixture was seen when its parts were on average. `driven_` is finite, always.
  Reading newest_, told_, driven_;
  bool arrived_ = true, leads_ = false;
};

}  // namespace lapa_edge
