// The fast model: a residual MLP from [latent, state, last action, age, ...] to a chunk of actions.
//
//   h = relu(W_in x + b_in)                                       [width]
//   h = h + (W_down relu(W_up h + b_up) + b_down)                 once per block
//   y = W_out h + b_out                                           [output]
//
// All float32, every product by the order of additions in dense.hpp: the same bits everywhere.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "action_head/packed_dense.hpp"

namespace lapa_edge {

struct HeadShape {
  std::size_t input, output, width, blocks;
  bool gated = false;
};

/// Borrowed while a head is built; the head keeps its own packed copy.
struct HeadWeights {
  DenseWeights input;
  std::vector<DenseWeights> up, gate, down;  // [blocks] each; gate: [0] unless gated
  DenseWeights output;
};

enum class HeadStatus {
  ok,
  input_not_finite,   // `index` into x holds NaN or infinity
  output_not_finite,  // `index` into y: the network overflowed float32
  device_silent,      // the GPU did not answer in time
  device_failed,      // CUDA refused or broke off the work
};

struct HeadResult {
  HeadStatus status;
  std::size_t index;  // flat, into [b, input] or [b, output]; 0 when ok
};

/// The layers in the order they run, in panels of `panel` outputs: input, then up and down of each
/// block, then output.
std::vector<PackedDense> pack_layers(const HeadShape& shape, const HeadWeights& weights,
                                     std::size_t panel);

/// Owns its weights and its scratch: nothing is allocated after construction, and one head must
/// not run in two threads at once.
class ActionHead {
 public:
  ActionHead(const HeadShape& shape, const HeadWeights& weights);

  /// `x` [b, input] to `y` [b, output], row-major. Stops at the first row that is not finite; `y`
  /// must not be used unless the status is ok.
  HeadResult forward(const float* x, float* y, std::size_t b) noexcept;

 private:
  HeadShape shape_;
  const DenseKernels& kernels_;
  std::vector<PackedDense> layers_;
  // Filled up with zeros to whole panels and phases: x, h, relu(W_up h + b_up), y.
  std::vector<float> input_, hidden_, raised_, output_;
};

namespace cuda {

/// How the GPU waits for observations.
struct HeadServing {
  bool persistent = false;  // the kernel stays on the GPU between steps, weights in shared memory
  double timeout_s = 0.1;   // how long a step waits for the answer
};

/// The same bits from the GPU. The weights stay on the device; x and y are host memory.
class ActionHead {
 public:
  /// Throws std::invalid_argument where the head does not fit and std::runtime_error if CUDA fails.
  ActionHead(const HeadShape& shape, const HeadWeights& weights, const HeadServing& serving = {});
  ActionHead(ActionHead&&) noexcept;
  ~ActionHead();

  /// One observation, `x` [input] to `y` [output], never waiting longer than the time-out.
  HeadResult step(const float* x, float* y) noexcept;

  /// Rows, as on the CPU. Buffers grow with the largest batch seen; a persistent head takes row by
  /// row. Throws std::runtime_error if CUDA fails.
  HeadResult forward(const float* x, float* y, std::size_t b);

 private:
  struct Device;
  std::unique_ptr<Device> device_;
};

}  // namespace cuda
}  // namespace lapa_edge
