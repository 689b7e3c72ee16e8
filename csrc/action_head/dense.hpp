// One linear layer of the action head, y = W x + b, laid out so that its weights stream.
//
// The order of additions is part of the definition, so that every instruction set, the GPU and the
// numpy reference agree to the last bit:
//
//   s[f] = fma(W[o, i], x[i], s[f])   over i = f, f + 4, f + 8, ...   f = 0 .. 3, from s[f] = 0
//   y[o] = ((s[0] + s[1]) + (s[2] + s[3])) + b[o]
//
// fma rounds once. Inputs are filled up with zeros to a multiple of four. Free of the standard
// library, since simd/targets/*.cpp include it: see simd/vector.hpp.
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
  relu,    // y[o] = max(v, 0), NaN passes: an overflow must reach the output
  add,     // y[o] = y[o] + v
  gate,    // y[o] = y[o] * max(v, 0)
};

/// A layer in panels of `panel` outputs, [panels, padded inputs, panel]; the last panel is filled
/// up with zeros. Weight (o, i) lies at (o / panel * padded_inputs + i) * panel + o % panel.
struct DenseView {
  std::size_t panels, inputs;  // inputs: padded
  const float* weight;
  const float* bias;  // [panels * panel]
};

/// Columns `first` to `last` of a layer, both multiples of four. `start`, where not null, holds
/// the sums [panels, 4, panel] of the columns before `first`.
struct Columns {
  std::size_t first, last;
  const float* start;
};

struct DenseKernels {
  /// Outputs computed side by side; fixes the layout above.
  std::size_t panel;

  /// `x` [inputs] to `y` [panels * panel] by the epilogue.
  void (*run)(const DenseView& layer, const float* x, Columns columns, Epilogue epilogue,
              float* y) noexcept;

  /// The sums [panels, 4, panel] after some columns, for a later `Columns::start`.
  void (*accumulate)(const DenseView& layer, const float* x, Columns columns, float* sums) noexcept;
};

}  // namespace lapa_edge
