#include "control_loop/hand_over.hpp"

#include <algorithm>

namespace lapa_edge {
namespace {

// Into `to`, whose values have the size already: nothing is allocated.
void copy(const Reading& from, Reading& to) noexcept {
  std::copy(from.values.begin(), from.values.end(), to.values.begin());
  to.seen_at_s = from.seen_at_s;
}

}  // namespace

HandOver::HandOver(std::size_t latent, double ticks, double max_age_s)
    : ticks_(ticks),
      max_age_s_(max_age_s),
      newest_{std::vector<float>(latent), 0},
      told_(newest_),
      driven_(newest_) {}

void HandOver::accept(const Reading& latent) noexcept {
  copy(latent, newest_);
  arrived_ = false;
}

bool HandOver::mix(std::int64_t ticks, double at_s) noexcept {
  if (arrived_) return false;
  // All the way is a share too, and costs as much: `driven_` is finite, so that 0 of it is nothing.
  const double share = share_of_way(ticks, at_s);
  const float come = static_cast<float>(share), kept = 1.0f - come;
  for (std::size_t i = 0; i < told_.values.size(); ++i) {
    told_.values[i] = kept * driven_.values[i] + come * newest_.values[i];
  }
  told_.seen_at_s = (1 - share) * driven_.seen_at_s + share * newest_.seen_at_s;
  arrived_ = share == 1;
  return true;
}

void HandOver::note(bool moved) noexcept {
  leads_ = moved;
  if (moved) copy(told_, driven_);
}

double HandOver::share_of_way(std::int64_t ticks, double at_s) const noexcept {
  const double age_s = at_s - driven_.seen_at_s;
  const bool leads = leads_ & (age_s >= 0) & (age_s <= max_age_s_);
  const double ticks_after = std::max(0.0, ticks_ - 1 - static_cast<double>(ticks));
  return 1 / (1 + leads * ticks_after);  // no branch: see the proofs
}

}  // namespace lapa_edge
