// How the nearest codes are found: a screen in low precision, then the definition in float64.
//
// With x' = x - mean and c' = c - mean, both rounded to float32,
//
//   score[j]   = |c'[j]|^2 / 2 - x' . c'[j]        half of |x - c[j]|^2 - |x'|^2
//   candidates = all j with score[j] <= best score + 2 bound
//
// where no score is wrong by more than `bound` (codebook.cpp has its proof). The nearest code is
// therefore always a candidate. Most rows have one and are done; the others compare theirs by
// distances in float32, then, as far as those lie too close, by the one in nearest_code.hpp. So the
// screen decides the speed and never the result.
//
// Free of the standard library, since simd/targets/*.cpp include it: see simd/vector.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lapa_edge {

/// The widest codes that are screened: scratch for the rows of x lies on the stack.
constexpr std::size_t kMaxScreenedWidth = 1024;

/// Norms in this range keep every score far from overflow, and what underflows far below the bound.
constexpr float kLeastNorm = 0x1p-50f, kLargestNorm = 0x1p50f;

/// Columns in whole groups of four, as the dot product of bytes takes them.
constexpr std::size_t padded_columns(std::size_t d) noexcept {
  return (d + 3) / 4 * 4;
}

/// What the scores of a row can be wrong by, from one norm of the row.
struct ErrorBound {
  float constant, linear, quadratic;

  constexpr float at(float norm) const { return constant + (linear + quadratic * norm) * norm; }
};

/// A centred codebook in panels of codes side by side, each of the table's width, as floats or as
/// bytes; filled up with zeros to whole panels. With c' = byte_scale * byte + residual, and of a
/// row x' = s * byte + r, the bytes' error bound takes
///
///   sqrt(byte_ratio |r|^2 + |x'|^2 / byte_ratio)     byte_ratio = (most |c'|) / (most |residual|)
///
/// and that of floats |x'|, from kLeastNorm to kLargestNorm.
struct Screen {
  std::size_t codes;         // filled up; 0 where there is no screen
  const float* mean;         // [d, and zeros up to a whole vector]
  const float* half_norm;    // [codes]: |c'|^2 / 2; infinite beyond the last code
  const float* floats;       // [panels, d, float_panel]: c'; null where there are bytes
  const std::int8_t* bytes;  // [panels, padded columns / 4, byte_panel, 4]; or null
  float byte_scale, byte_ratio;
  ErrorBound error;
};

struct CodebookView {
  std::size_t k, d;
  const float* codes;  // [k, d]
  Screen screen;
};

struct NearestCodeKernels {
  /// Codes side by side in a panel of floats and of bytes; the second is 0 where the set has no
  /// instruction for bytes, else a multiple of the first.
  std::size_t float_panel, byte_panel;

  /// Whether the codes' bytes are taken as unsigned: 128 is then added to each.
  bool unsigned_bytes;

  /// Fills `codes` [m] from `x` [m, d]. Returns the first row that is not finite; m if none is.
  std::size_t (*search)(const CodebookView& codebook, const float* x, std::size_t m,
                        std::int32_t* codes) noexcept;
};

}  // namespace lapa_edge
