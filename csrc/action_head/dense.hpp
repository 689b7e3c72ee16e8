// One linear layer of the action head, y = W x + b, laid out so that its weights stream.
//
// The order of operations is part of the definition, so that every instruction set, the GPU and the
// numpy reference agree to the last bit. With weights in float32:
//
//   s[f] = fma(W[o, i], x[i], s[f])   over i = f, f + 4, f + 8, ...   f = 0 .. 3, from s[f] = 0
//   y[o] = ((s[0] + s[1]) + (s[2] + s[3])) + b[o]
//
// fma rounds once. With weights in bf16, the upper half of a float32, the same: x and the sums stay
// float32. With weights in int8, where the sum is exact and so has no order:
//
//   q[i] = clamp(round_to_even(x[i] * to_int8[i]), -127, 127)
//   y[o] = fma(float(sum_i W[o, i] q[i]), scale[o], b[o])   NaN for every o if an x is not finite
//
// Inputs are filled up with zeros to a multiple of four. Free of the standard library, since
// simd/targets/*.cpp include it: see simd/vector.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lapa_edge {

/// Partial sums of one output: by input index modulo this.
constexpr std::size_t kPhases = 4;

/// Columns that one step of a kernel reads; every count of inputs is filled up to a multiple.
constexpr std::size_t padded_inputs(std::size_t inputs) noexcept {
  return (inputs + kPhases - 1) / kPhases * kPhases;
}

/// What becomes of v = W[o] . x + b[o].
enum class Epilogue {
  assign,  // y[o] = v
  relu,    // y[o] = relu(v)
  add,     // y[o] = y[o] + v
  gate,    // y[o] = y[o] * relu(v)
};
// relu(v) is max(v, 0), but NaN for NaN and for -infinity: an overflow must reach the output.

/// A layer in panels of `panel` outputs; the last panel is filled up with zeros. A word of 32 bits
/// holds neighbouring columns of one output: one float32, two bf16 or four int8. Words lie in
/// [panels, padded inputs / columns per word, panel].
struct DenseView {
  std::size_t panels, inputs;  // inputs: padded
  const void* weight;
  const float* bias;  // [panels * panel]

  // int8 alone.
  const float* to_int8;            // [inputs]
  const float* scale;              // [panels * panel]
  const std::int32_t* first_sums;  // [panels * panel]: -input_offset * sum_i W[o, i]
  std::int8_t* quantized;          // [inputs], scratch
};

/// Where weight (o, i) lies, counted in weights.
constexpr std::size_t weight_index(std::size_t o, std::size_t i, std::size_t inputs,
                                   std::size_t panel, std::size_t columns_per_word) noexcept {
  const std::size_t word = (o / panel * inputs + i / columns_per_word * columns_per_word) * panel;
  return word + o % panel * columns_per_word + i % columns_per_word;
}

/// Columns `first` to `last` of a layer, both multiples of four. `start`, where not null, holds
/// what `accumulate` left of the columns before `first`.
struct Columns {
  std::size_t first, last;
  const void* start;
};

/// The layer for one kind of weights. Every pointer in a view, x, y and sums are aligned to 64
/// bytes and may be read to the end of their last 64.
struct DensePass {
  /// Outputs computed side by side; fixes the layout above.
  std::size_t panel;

  /// int8: what this instruction set adds to q, whose products with W `first_sums` takes back.
  std::int32_t input_offset;

  /// `x` [inputs] to `y` [panels * panel] by the epilogue.
  void (*run)(const DenseView& layer, const float* x, Columns columns, Epilogue epilogue,
              float* y) noexcept;

  /// The sums after some columns, for a later `Columns::start`: float32 [panels, 4, panel], or
  /// int32 [panels, panel] where the weights are int8.
  void (*accumulate)(const DenseView& layer, const float* x, Columns columns, void* sums) noexcept;
};

struct DenseKernels {
  DensePass f32, bf16, int8;
};

}  // namespace lapa_edge
