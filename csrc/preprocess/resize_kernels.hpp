// The steps of a resize, row by row, as each instruction set has them. What they compute:
// resize_axis.hpp. A row here is either three planes, one a channel, `pitch` bytes apart, or pixels
// one after another as in a frame; its bytes are in a form that only the kernels of the same set
// understand. Rows are kRowSlack bytes longer than they need be, for vectors that go beyond the
// end.
//
// Free of the standard library, since simd/targets/*.cpp include it: see simd/vector.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.hpp"

namespace lapa_edge {

constexpr std::size_t kChannels = 3;

/// Pixels that count for an output, along one axis.
constexpr std::size_t kTaps = 4;

/// Their weights sum to this.
constexpr int kWeightBits = 8;
constexpr int kWeightTotal = 1 << kWeightBits;

/// A sum of pixel * weight back to a pixel, rounded half up.
LAPA_EDGE_HOST_DEVICE inline std::uint8_t round_to_pixel(std::int32_t sum) noexcept {
  return static_cast<std::uint8_t>((sum + kWeightTotal / 2) >> kWeightBits);
}

constexpr std::size_t kRowSlack = 128;

/// The rows that make one, by weight; the second two count nothing where there is one pair.
struct RowTaps {
  const std::uint8_t* row[kTaps];
  const std::uint8_t* weight;
  bool one_pair;
};

/// The columns' outputs in chunks, as many outputs as a kernel computes side by side; the last
/// chunk may overlap the one before. Tap t of output o of a chunk is `index`[o][t] bytes from the
/// start of its window, which it shares with the outputs next to it; of the first channel.
struct ColumnView {
  std::size_t chunks;
  const std::int32_t* output;  // [chunks] the chunk's first output
  const std::int32_t* start;   // [chunks, windows in a chunk]
  const std::uint8_t* index;   // [chunks, outputs in a chunk, kTaps]
  const std::uint8_t* weight;  // the same
};

/// fma(float(pixel), scale, offset), rounded once, by channel.
struct Normalisation {
  float scale[kChannels], offset[kChannels];
};

struct ResizeKernels {
  std::size_t source_width;  // columns that a frame must have at least
  std::size_t chunk;         // outputs in a chunk, and columns that a result must have at least
  std::size_t window;        // outputs that share a window
  std::size_t pixel_bytes;   // from a pixel of a row to the next one of its channel

  /// Two rows [width, 3] of the frame, averaged, to a row; the columns halved as well, or not.
  void (*read_rows)(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                    bool halve_columns, std::uint8_t* row, std::size_t pitch) noexcept;

  /// The same, and what `taps` make of it, the first of which is `row`, goes to `blended`. Not for
  /// columns that are halved and odd in number.
  void (*read_and_blend)(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                         bool halve_columns, std::uint8_t* row, std::size_t pitch,
                         const RowTaps& taps, std::uint8_t* blended) noexcept;

  /// The same from two rows that were read before, to one of another pitch.
  void (*halve_rows)(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                     std::size_t pitch, bool halve_columns, std::uint8_t* row,
                     std::size_t row_pitch) noexcept;

  /// Rows of `bytes` bytes, planes and all, to one.
  void (*blend_rows)(const RowTaps& taps, std::size_t bytes, std::uint8_t* row) noexcept;

  /// A row's columns to pixels, by channel.
  void (*resample_columns)(const ColumnView& columns, const std::uint8_t* row, std::size_t pitch,
                           std::uint8_t* const* pixels) noexcept;

  /// The same, normalised.
  void (*normalise_columns)(const ColumnView& columns, const std::uint8_t* row, std::size_t pitch,
                            const Normalisation& normalisation, float* const* values) noexcept;
};

}  // namespace lapa_edge
