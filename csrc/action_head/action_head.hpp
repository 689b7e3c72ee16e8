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
};

/// Borrowed while a head is built; the head keeps its own packed copy.
struct HeadWeights {
  DenseWeights input;
  std::vector<DenseWeights> up, down;  // [blocks] each
  DenseWeights output;
};

enum class HeadStatus {
  ok,
  input_not_finite,   // `index` into x holds NaN or infinity
  output_not_finite,  // `index` into y: the network overflowed float32
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

/// The same bits from the GPU. The weights stay on the device; x and y are host memory. Buffers
/// grow with the largest batch seen. Throws std::runtime_error if CUDA fails.
class ActionHead {
 public:
  ActionHead(const HeadShape& shape, const HeadWeights& weights);
  ActionHead(ActionHead&&) noexcept;
  ~ActionHead();

  HeadResult forward(const float* x, float* y, std::size_t b);

 private:
  struct Device;
  std::unique_ptr<Device> device_;
};

}  // namespace cuda
}  // namespace lapa_edge
