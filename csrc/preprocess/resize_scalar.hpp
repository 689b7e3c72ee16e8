// The steps of a resize without vectors: for CPUs without, and for frames narrower than a vector.
#pragma once

#include "preprocess/resize_kernels.hpp"
#include "simd/vector.hpp"

#if HWY_TARGET == HWY_SCALAR

namespace lapa_edge {
namespace {

// Two rows of pixels `stride` bytes apart, averaged, to a plane.
void average_plane(const std::uint8_t* first, const std::uint8_t* second, std::size_t stride,
                   std::size_t width, bool halve, std::uint8_t* plane) {
  const auto average = [=](std::size_t x) {
    return (first[x * stride] + second[x * stride] + 1) >> 1;
  };
  if (!halve) {
    for (std::size_t x = 0; x < width; ++x) plane[x] = static_cast<std::uint8_t>(average(x));
    return;
  }
  for (std::size_t x = 0; x < width; x += 2) {
    const std::size_t next = x + 1 < width ? x + 1 : x;
    plane[x / 2] = static_cast<std::uint8_t>((average(x) + average(next)) >> 1);
  }
}

void read_rows(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
               bool halve_columns, std::uint8_t* row, std::size_t pitch) noexcept {
  for (std::size_t c = 0; c < kChannels; ++c) {
    average_plane(first + c, second + c, kChannels, width, halve_columns, row + c * pitch);
  }
}

void halve_rows(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                std::size_t pitch, bool halve_columns, std::uint8_t* row,
                std::size_t row_pitch) noexcept {
  for (std::size_t c = 0; c < kChannels; ++c) {
    average_plane(first + c * pitch, second + c * pitch, 1, width, halve_columns,
                  row + c * row_pitch);
  }
}

void blend_rows(const RowTaps& taps, std::size_t bytes, std::uint8_t* row) noexcept {
  for (std::size_t i = 0; i < bytes; ++i) {
    std::int32_t sum = 0;
    for (std::size_t j = 0; j < kTaps; ++j) sum += taps.weight[j] * taps.row[j][i];
    row[i] = round_to_pixel(sum);
  }
}

void read_and_blend(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                    bool halve_columns, std::uint8_t* row, std::size_t pitch, const RowTaps& taps,
                    std::uint8_t* blended) noexcept {
  read_rows(first, second, width, halve_columns, row, pitch);
  blend_rows(taps, kChannels * pitch, blended);
}

// Chunks and windows of one output.
HWY_INLINE std::uint8_t resample(const ColumnView& columns, const std::uint8_t* plane,
                                 std::size_t o) {
  std::int32_t sum = 0;
  for (std::size_t j = o * kTaps; j < (o + 1) * kTaps; ++j) {
    sum += columns.weight[j] * plane[columns.start[o] + columns.index[j]];
  }
  return round_to_pixel(sum);
}

void resample_columns(const ColumnView& columns, const std::uint8_t* row, std::size_t pitch,
                      std::uint8_t* const* pixels) noexcept {
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t o = 0; o < columns.chunks; ++o) {
      pixels[c][o] = resample(columns, row + c * pitch, o);
    }
  }
}

void normalise_columns(const ColumnView& columns, const std::uint8_t* row, std::size_t pitch,
                       const Normalisation& normalisation, float* const* values) noexcept {
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t o = 0; o < columns.chunks; ++o) {
      const float pixel = resample(columns, row + c * pitch, o);
      values[c][o] = __builtin_fmaf(pixel, normalisation.scale[c], normalisation.offset[c]);
    }
  }
}

}  // namespace
}  // namespace lapa_edge

#endif
