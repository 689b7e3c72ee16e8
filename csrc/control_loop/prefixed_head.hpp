// The action head as the loop runs it: the latent's part once per look, the rest at every tick.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "action_head/action_head.hpp"
#include "base/finite.hpp"
#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

class PrefixedHead {
 public:
  /// `prefix`: how many of the head's inputs, the first ones, come with a latent.
  PrefixedHead(ActionHead head, std::size_t input, std::size_t prefix)
      : head_(std::move(head)), input_(input), prefix_(prefix) {}

  /// The first inputs [prefix], until the next call. False where they are not finite.
  bool set_prefix(const float* values) noexcept LAPA_EDGE_NONBLOCKING {
    std::copy(values, values + prefix_, input_.begin());
    return all_finite(values, prefix_);
  }

  /// The other inputs [input - prefix] to `y` [output].
  HeadResult forward_rest(const float* rest, float* y) noexcept LAPA_EDGE_NONBLOCKING {
    std::copy(rest, rest + (input_.size() - prefix_), input_.begin() + prefix_);
    return head_.forward(input_.data(), y, 1);
  }

 private:
  ActionHead head_;
  std::vector<float> input_;  // [input]
  std::size_t prefix_;
};

}  // namespace lapa_edge
