// The fast model: a residual MLP from [latent, state, last action, age, ...] to a chunk of actions.
//
//   h = relu(W_in x + b_in)                                       [width]
//   h = h + (W_down relu(W_up h + b_up) + b_down)                 once per block
//   y = W_out h + b_out                                           [output]
//
// All float32. The order of additions in a dot product is part of the definition, so that every
// machine and the numpy reference agree to the last bit: four partial sums by input index mod 4,
// then ((s0 + s1) + (s2 + s3)) + bias.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace lapa_edge {

struct HeadShape {
  std::size_t input, output, width, blocks;
};

/// One linear layer as torch stores it: `weight` [outputs, inputs] row-major, `bias` [outputs].
struct DenseWeights {
  const float* weight;
  const float* bias;
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

/// Outputs that are computed side by side, so that a compiler can keep them in vector registers.
constexpr std::size_t kPanel = 8;

/// A linear layer laid out for a forward pass: panels of eight outputs, [panels, inputs, 8], the
/// last panel filled up with zeros. Weight (o, i) lies at ((o / 8) * inputs + i) * 8 + o % 8.
struct PackedDense {
  PackedDense(const DenseWeights& dense, std::size_t inputs, std::size_t outputs);

  std::size_t inputs, outputs;
  std::vector<float> weight, bias;  // bias [panels * 8]
};

/// The layers in the order they run: input, then up and down of each block, then output.
std::vector<PackedDense> pack_layers(const HeadShape& shape, const HeadWeights& weights);

/// Owns its weights and its scratch: nothing is allocated after construction, and one head must
/// not run in two threads at once.
class ActionHead {
 public:
  ActionHead(const HeadShape& shape, const HeadWeights& weights);

  /// `x` [b, input] to `y` [b, output], row-major. Stops at the first row that is not finite; `y`
  /// must not be used unless the status is ok.
  HeadResult forward(const float* x, float* y, std::size_t b) noexcept;

 private:
  std::vector<PackedDense> layers_;
  std::vector<float> hidden_, raised_;  // [width] each: h, and relu(W_up h + b_up)
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
