// Turns a camera frame into what the policy sees: resized, normalised, planes first.
//
// The resize is resize_axis.hpp's. A value is fma(pixel, scale, offset), rounded once, so that
// every machine, and torch in training, has the same bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "preprocess/column_tables.hpp"
#include "preprocess/resize_axis.hpp"

namespace lapa_edge {

constexpr std::size_t kMaxFrameSide = 16384;

struct FrameSize {
  std::size_t height, width;
};

inline bool operator==(const FrameSize& a, const FrameSize& b) noexcept {
  return a.height == b.height && a.width == b.width;
}

/// A frame in memory: uint8 [height, width, 3], its rows `pitch` bytes apart.
struct FrameView {
  const std::uint8_t* pixels;
  std::size_t pitch;
};

/// How the channels of a frame lie. Planes are always red, green, blue.
enum class ChannelOrder { rgb, bgr };

/// scale = 1 / (255 std) and offset = -mean / std, rounded to float32; offset so coarsely that
/// 2^15 scale can be added to it without a rounding, which is within 1/500 of a pixel's level.
/// `mean` is at most 100 in magnitude, `std` 1e-6 to 1e6.
Normalisation build_normalisation(const std::array<double, kChannels>& mean,
                                  const std::array<double, kChannels>& std) noexcept;

/// Resizes frames of one size to another. All that is needed is made once; one resizer must not run
/// in two threads at once. Sides are 1 to kMaxFrameSide.
class FrameResizer {
 public:
  FrameResizer(FrameSize source, FrameSize target);

  /// To `pixels` [target.height, target.width, 3].
  void resize(FrameView frame, std::uint8_t* pixels) noexcept;

  /// To `planes` [3, target.height, target.width].
  void preprocess(FrameView frame, ChannelOrder order, const Normalisation& normalisation,
                  float* planes) noexcept;

 private:
  // A step of halving, from rows of this size; the first is from the frame, and there even if
  // neither axis is halved.
  struct Level {
    bool halve_rows, halve_columns;
    std::size_t height, width;
    AlignedBuffer<std::uint8_t> row[2];
  };

  // Fills `blended_` with row y, before its columns are resampled.
  void blend_row(FrameView frame, std::size_t y) noexcept;
  // Row `next_` of what the last level makes.
  void read_next(FrameView frame) noexcept;
  // Row y of what a level makes.
  void read_row(FrameView frame, std::size_t level, std::size_t y, std::uint8_t* row,
                std::size_t pitch) noexcept;
  // The rows that row y of what a level makes is made of.
  static std::pair<std::size_t, std::size_t> pair_of(const Level& level, std::size_t y) noexcept;

  FrameSize target_;
  ResizeAxis rows_, columns_;
  const ResizeKernels& kernels_;
  ColumnTables column_tables_;
  std::vector<Level> levels_;
  bool blends_as_read_;  // the one level that there is gives whole rows at once
  std::size_t pitch_;    // of the rows below
  std::array<AlignedBuffer<std::uint8_t>, kTaps> halved_;  // row y at y % kTaps
  std::size_t next_ = 0;                                   // the halved row that is not read yet
  AlignedBuffer<std::uint8_t> blended_;
  std::vector<std::uint8_t> resized_;  // [3, target.width], of a row
};

}  // namespace lapa_edge
