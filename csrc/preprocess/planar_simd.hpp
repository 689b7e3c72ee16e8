// Rows of three planes, a channel each: what shorter vectors split pixels into.
#pragma once

#include "preprocess/bytes_simd.hpp"
#include "preprocess/split_simd.hpp"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_AVX3

namespace lapa_edge {
namespace {

constexpr std::size_t kSourceWidth = 2 * kByteLanes, kPixelBytes = 1;

// Averages of neighbours in two biased vectors, rounded down: on x86 the upper bytes of their sums
// times 128.
HWY_INLINE Bytes halve_columns(Bytes pixels, Bytes next) {
#if HWY_TARGET == HWY_AVX2
  const __m256i half = _mm256_set1_epi8(static_cast<char>(128));
  const __m256i sums = _mm256_srli_epi16(_mm256_maddubs_epi16(half, pixels.raw), 8);
  const __m256i next_sums = _mm256_srli_epi16(_mm256_maddubs_epi16(half, next.raw), 8);
  return Bytes{_mm256_permute4x64_epi64(_mm256_packus_epi16(sums, next_sums), 0xd8)};
#else
  return Bytes{vhaddq_u8(vuzp1q_u8(pixels.raw, next.raw), vuzp2q_u8(pixels.raw, next.raw))};
#endif
}

// The average of two rows from `at` on, rounded up.
HWY_INLINE Bytes average(const std::uint8_t* first, const std::uint8_t* second, std::size_t at) {
  return hn::AverageRound(hn::LoadU(ByteTag(), first + at), hn::LoadU(ByteTag(), second + at));
}

// kByteLanes columns of a row: pixel `x` of two rows of the frame on.
HWY_INLINE Planes read_planes(const std::uint8_t* first, const std::uint8_t* second,
                              std::size_t x) {
  prefetch_next(first, second, x * kChannels, kChannels * kByteLanes);
  Planes pixels;
  for (std::size_t v = 0; v < kChannels; ++v) {
    pixels.vector[v] = bias(average(first, second, x * kChannels + v * kByteLanes));
  }
  return split(pixels);
}

template <bool kHalve, typename Then>
HWY_INLINE void read_columns(const std::uint8_t* first, const std::uint8_t* second,
                             std::size_t width, std::uint8_t* row, std::size_t pitch,
                             const Then then) {
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
      const std::size_t at = c * pitch + (kHalve ? x / 2 : x);
      hn::StoreU(planes.vector[c], ByteTag(), row + at);
      then(planes.vector[c], at);
    }
  }
}

template <typename Then>
HWY_INLINE void read(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                     bool halve, std::uint8_t* row, std::size_t pitch, const Then then) {
  if (!halve) return read_columns<false>(first, second, width, row, pitch, then);
  read_columns<true>(first, second, width & ~std::size_t{1}, row, pitch, then);
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

}  // namespace
}  // namespace lapa_edge

#endif
