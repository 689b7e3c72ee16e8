// The fast model: a residual MLP from [latent, context, state, last action, age] to a chunk of
// actions.
//
//   h = relu(W_in x + b_in)                                       [width]
//   h = h + (W_down r + b_down)                                   once per block
//       r = relu(W_up h + b_up)                                   plain
//       r = (W_up h + b_up) * relu(W_gate h + b_gate)             gated: ReGLU, arXiv 2002.05202
//   y = W_out h + b_out                                           [output]
//
// Activations are float32, weights float32, bf16 or int8; every product by the order of operations
// in dense.hpp: the same bits everywhere.
#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "action_head/packed_dense.hpp"
#include "base/aligned_buffer.hpp"

namespace lapa_edge {

struct HeadShape {
  std::size_t input, output, width, blocks;
  bool gated;
};

/// Borrowed while a head is built; the head keeps its own packed copy.
struct HeadWeights {
  DenseWeights input;
  std::vector<DenseWeights> up, gate, down;  // [blocks] each; no gate unless gated
  DenseWeights output;
};

enum class HeadPrecision { f32, bf16, int8 };

/// For int8: the largest magnitudes that entered each layer, [inputs] each, in the order of
/// `layers_in_order`; borrowed while a head is built.
using HeadCalibration = std::vector<const float*>;

struct HeadLayer {
  DenseWeights dense;
  std::size_t inputs, outputs;
};

/// Input, then up, gate where there is one, and down of each block, then output.
std::vector<HeadLayer> layers_in_order(const HeadShape& shape, const HeadWeights& weights);

enum class HeadStatus {
  ok,
  input_not_finite,   // `index` into x holds NaN or infinity
  output_not_finite,  // `index` into y: the network overflowed float32
  prefix_not_set,     // forward_rest before set_prefix, or after one that failed
  device_silent,      // the GPU did not answer in time
  device_failed,      // CUDA refused or broke off the work
};

struct HeadResult {
  HeadStatus status;
  std::size_t index;  // flat, into [b, input] or [b, output]; 0 when ok
};

/// Owns its weights and its scratch: nothing is allocated after construction, and one head must
/// not run in two threads at once.
///
/// The first `prefix` inputs, which change only when the policy has looked (latent and context),
/// may be given once by `set_prefix`, the others by `forward_rest` at every tick.
class ActionHead {
 public:
  /// Throws std::invalid_argument where a layer is too wide for int8.
  ActionHead(const HeadShape& shape, const HeadWeights& weights,
             HeadPrecision precision = HeadPrecision::f32, std::size_t prefix = 0,
             const HeadCalibration& calibration = {});

  /// `x` [b, input] to `y` [b, output], row-major. Stops at the first row that is not finite; `y`
  /// must not be used unless the status is ok.
  HeadResult forward(const float* x, float* y, std::size_t b) noexcept;

  /// Remembers what the first `prefix` inputs `x` [prefix] contribute.
  HeadResult set_prefix(const float* x) noexcept;

  /// The bits of `forward` on the prefix and `x` [input - prefix]; `index` counts in x.
  HeadResult forward_rest(const float* x, float* y) noexcept;

  const HeadShape& shape() const noexcept { return shape_; }
  std::size_t prefix() const noexcept { return prefix_; }

 private:
  using Storage =
      std::variant<std::vector<PackedFloat32>, std::vector<PackedBf16>, std::vector<PackedInt8>>;

  static const DensePass& pass_of(HeadPrecision precision) noexcept;
  static Storage pack(const std::vector<HeadLayer>& layers, HeadPrecision precision,
                      const DensePass& pass, const HeadCalibration& calibration);

  HeadResult run_layers(const float* input, Columns columns, float* y) noexcept;
  void run(std::size_t layer, const AlignedBuffer<float>& from, Epilogue epilogue,
           AlignedBuffer<float>& to) noexcept;

  HeadShape shape_;
  std::size_t prefix_;
  const DensePass& pass_;
  Storage storage_;
  std::vector<DenseView> layers_;  // borrows from storage_

  // Filled up with zeros to whole panels and phases: x, h, r, y.
  AlignedBuffer<float> input_, hidden_, raised_, output_;

  // The prefix: its sums after whole groups of four columns, and an x that keeps what is left over.
  bool prefix_set_ = false;
  AlignedBuffer<float> sums_, split_input_;
};

}  // namespace lapa_edge
