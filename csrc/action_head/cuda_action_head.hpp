// The action head on the GPU.
#pragma once

#include <cstddef>
#include <memory>

#include "action_head/action_head.hpp"

namespace lapa_edge::cuda {

/// How the GPU waits for observations.
struct HeadServing {
  bool persistent = false;  // the kernel stays on the GPU between steps, weights in shared memory
  double timeout_s = 0.1;   // how long a step waits for the answer
};

/// The same bits from the GPU, float32. The weights stay on the device; x and y are host memory.
class ActionHead {
 public:
  /// Throws std::invalid_argument where the head does not fit and std::runtime_error if CUDA fails.
  ActionHead(const HeadShape& shape, const HeadWeights& weights, const HeadServing& serving = {});
  ActionHead(ActionHead&&) noexcept;
  ~ActionHead();

  /// One observation, `x` [input] to `y` [output], never waiting longer than the time-out.
  HeadResult step(const float* x, float* y) noexcept;

  /// Rows, as on the CPU; a single one is a step. Buffers grow with the largest batch seen; a
  /// persistent head takes row by row. Throws std::runtime_error if CUDA fails.
  HeadResult forward(const float* x, float* y, std::size_t b);

 private:
  struct Device;
  std::unique_ptr<Device> device_;
};

}  // namespace lapa_edge::cuda
