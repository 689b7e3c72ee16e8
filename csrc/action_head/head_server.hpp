// One observation at a time on the GPU: the latency path.
//
// The CPU writes x into a mailbox of mapped memory and the GPU answers there; nothing is copied and
// nothing is synchronised. Either a graph of one kernel is launched for each observation, or the
// kernel stays on the GPU with its weights in shared memory and watches the mailbox.
//
// A kernel that stays would hold up whoever frees GPU memory or loads a kernel, since CUDA does
// both only while nothing runs. So it leaves every half second, and the next step starts it again.
#pragma once

#include <memory>

#include "action_head/cuda_action_head.hpp"

namespace lapa_edge::cuda {

class HeadServer {
 public:
  /// Runs once to load everything. Throws std::invalid_argument where the weights do not fit and
  /// std::runtime_error if CUDA fails.
  HeadServer(const HeadShape& shape, const HeadWeights& weights, const HeadServing& serving);
  ~HeadServer();

  /// `x` [input] to `y` [output]. Never waits longer than the time-out, also on a GPU that died;
  /// an answer that comes too late is dropped.
  HeadResult step(const float* x, float* y) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lapa_edge::cuda
