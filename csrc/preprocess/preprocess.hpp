// Turns a camera frame into what the policy sees: resized, normalised, planes first.
//
// The resize is Pillow's Image.resize(BILINEAR): a triangle filter whose support grows with the
// scale when shrinking, so that nothing aliases. Weights are 22-bit fixed point and both passes,
// columns first, round to uint8, so the result has the same bits on every machine.
// Source: Pillow, src/libImaging/Resample.c (precompute_coeffs, normalize_coeffs_8bpc). Pillow 13
// begins with the rows where that is cheaper, which moves some pixels by one level; shrinking a
// camera frame gives its very bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/host_device.hpp"

namespace lapa_edge {

constexpr std::size_t kChannels = 3;
constexpr int kWeightBits = 22;  // 8 bits of pixel and 2 of headroom beside it in an int32
constexpr std::size_t kMaxFrameSide = 16384;

struct FrameSize {
  std::size_t height, width;
};

inline bool operator==(const FrameSize& a, const FrameSize& b) noexcept {
  return a.height == b.height && a.width == b.width;
}

/// How one axis is resampled: output o is the sum over t < count[o] of
/// weights[o * taps + t] * source[first[o] + t].
struct ResizeAxis {
  ResizeAxis(std::size_t source, std::size_t target);

  std::size_t taps;                        // the most weights any output has
  std::vector<std::int32_t> first, count;  // [target]
  std::vector<std::int32_t> weights;       // [target, taps], fixed point, kWeightBits
};

/// A sum of pixel * weight back to a pixel, rounded half up.
LAPA_EDGE_HOST_DEVICE inline std::uint8_t round_to_pixel(std::int32_t sum) noexcept {
  const std::int32_t pixel = (sum + (1 << (kWeightBits - 1))) >> kWeightBits;
  return static_cast<std::uint8_t>(pixel > 255 ? 255 : pixel);
}

/// Resizes frames of one size to another. Weights and scratch are made once; one resizer must not
/// run in two threads at once. Sides are 1 to kMaxFrameSide.
class FrameResizer {
 public:
  FrameResizer(FrameSize source, FrameSize target);

  /// `frame` [source.height, source.width, 3] to `resized` [target.height, target.width, 3].
  /// Equal sizes copy.
  void resize(const std::uint8_t* frame, std::uint8_t* resized) noexcept;

 private:
  FrameSize source_, target_;
  ResizeAxis rows_, columns_;
  std::vector<std::uint8_t> narrowed_;  // [source.height, target.width, 3]
  std::vector<std::int32_t> sums_;      // [target.width * 3]
};

/// The normalised value of each channel and pixel value: three tables of 256.
using PixelTable = std::array<std::array<float, 256>, kChannels>;

/// table[c][v] = (float(v) / 255 - mean[c]) / std[c], each step rounded to float32. `std` above 0.
PixelTable build_pixel_table(const std::array<float, kChannels>& mean,
                             const std::array<float, kChannels>& std) noexcept;

/// `frame` [h, w, 3] to `planes` [3, h, w] by the table.
void normalise_frame(const std::uint8_t* frame, FrameSize size, const PixelTable& table,
                     float* planes) noexcept;

namespace cuda {

/// The same bits from the GPU; copies to the device and back. Throws std::runtime_error if CUDA
/// fails.
void resize_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                  std::uint8_t* resized);
void preprocess_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                      const PixelTable& table, float* planes);

}  // namespace cuda
}  // namespace lapa_edge
