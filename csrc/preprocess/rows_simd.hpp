// The rows of a resize for one instruction set: read from the frame, halved, blended.
#pragma once

#include "preprocess/bytes_simd.hpp"
#include "preprocess/split_simd.hpp"

#if HWY_TARGET != HWY_SCALAR

namespace lapa_edge {
namespace {

// The average of two rows from `at` on, rounded up.
HWY_INLINE Bytes average(const std::uint8_t* first, const std::uint8_t* second, std::size_t at) {
  return hn::AverageRound(hn::LoadU(ByteTag(), first + at), hn::LoadU(ByteTag(), second + at));
}

// kByteLanes columns of a row: pixel `x` of two rows of the frame on.
HWY_INLINE Planes read_planes(const std::uint8_t* first, const std::uint8_t* second,
                              std::size_t x) {
  Planes pixels;
  for (std::size_t v = 0; v < kChannels; ++v) {
    pixels.vector[v] = bias(average(first, second, x * kChannels + v * kByteLanes));
  }
  return split(pixels);
}

template <bool kHalve>
HWY_INLINE void read_columns(const std::uint8_t* first, const std::uint8_t* second,
                             std::size_t width, std::uint8_t* row, std::size_t pitch) {
  constexpr std::size_t kStep = kHalve ? 2 * kByteLanes : kByteLanes;
  // The last step ends with the row: what it computes again is the same.
  const std::size_t last = width - kStep;
  for (std::size_t step = 0; step < width; step += kStep) {
    const std::size_t x = step < last ? step : last;
    Planes planes = read_planes(first, second, x);
    if (kHalve) {
      const Planes next = read_planes(first, second, x + kByteLanes);
      for (std::size_t c = 0; c < kChannels; ++c) {
        planes.vector[c] = halve_columns(planes.vector[c], next.vector[c]);
      }
    }
    for (std::size_t c = 0; c < kChannels; ++c) {
      hn::StoreU(planes.vector[c], ByteTag(), row + c * pitch + (kHalve ? x / 2 : x));
    }
  }
}

void read_rows(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
               bool halve_columns, std::uint8_t* row, std::size_t pitch) noexcept {
  if (!halve_columns) return read_columns<false>(first, second, width, row, pitch);
  read_columns<true>(first, second, width & ~std::size_t{1}, row, pitch);
  if (width % 2 == 1) {
    for (std::size_t c = 0; c < kChannels; ++c) {
      const std::size_t at = (width - 1) * kChannels + c;
      row[c * pitch + width / 2] = (first[at] + second[at] + 1) / 2 ^ kBias;
    }
  }
}

// The average of two rows that are biased.
HWY_INLINE Bytes average_biased(const std::uint8_t* first, const std::uint8_t* second,
                                std::size_t at) {
  const Bytes one = bias(hn::LoadU(ByteTag(), first + at));
  return bias(hn::AverageRound(one, bias(hn::LoadU(ByteTag(), second + at))));
}

void halve_plane(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                 bool halve, std::uint8_t* plane) {
  for (std::size_t x = 0; !halve && x < width; x += kByteLanes) {
    hn::StoreU(average_biased(first, second, x), ByteTag(), plane + x);
  }
  for (std::size_t x = 0; halve && x < width; x += 2 * kByteLanes) {
    const Bytes pixels = average_biased(first, second, x);
    const Bytes next = average_biased(first, second, x + kByteLanes);
    hn::StoreU(halve_columns(pixels, next), ByteTag(), plane + x / 2);
  }
  if (halve && width % 2 == 1) {
    const int last = (first[width - 1] ^ kBias) + (second[width - 1] ^ kBias);
    plane[width / 2] = (last + 1) / 2 ^ kBias;
  }
}

void halve_rows(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                std::size_t pitch, bool halve_columns, std::uint8_t* row,
                std::size_t row_pitch) noexcept {
  // In this order: what a plane writes beyond its end, the next one overwrites.
  for (std::size_t c = 0; c < kChannels; ++c) {
    halve_plane(first + c * pitch, second + c * pitch, width, halve_columns, row + c * row_pitch);
  }
}

template <std::size_t kPairs>
HWY_INLINE void blend(const RowTaps& taps, std::size_t bytes, std::uint8_t* row) {
  Bytes weights[kPairs];
  for (std::size_t p = 0; p < kPairs; ++p) {
    weights[p] = weight_pair(taps.weight + 2 * p);
  }
  const Words half = hn::Set(WordTag(), kWeightTotal / 2);
  for (std::size_t at = 0; at < bytes; at += kByteLanes) {
    WordSums sums{half, half};
    for (std::size_t p = 0; p < kPairs; ++p) {
      sums = add_products(sums, load_once(taps.row[2 * p] + at),
                          load_once(taps.row[2 * p + 1] + at), weights[p]);
    }
    hn::StoreU(high_bytes(sums), ByteTag(), row + at);
  }
}

void blend_rows(const RowTaps& taps, std::size_t bytes, std::uint8_t* row) noexcept {
  if (taps.one_pair) {
    blend<1>(taps, bytes, row);
  } else {
    blend<2>(taps, bytes, row);
  }
}

}  // namespace
}  // namespace lapa_edge

#endif
