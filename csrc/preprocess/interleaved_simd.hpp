// Rows whose pixels lie as in the frame, channels side by side: AVX-512.
#pragma once

#include "preprocess/bytes_simd.hpp"

#if HWY_TARGET == HWY_AVX3

namespace lapa_edge {
namespace {

// Two vectors, the second from byte 62 on, hold 21 pairs of pixels. Halved they fill a vector but
// for its last byte, which does not count.
constexpr std::size_t kPairs = 21, kPairBytes = 2 * kChannels, kSecondVector = 62;

constexpr std::size_t kSourceWidth = 2 * kPairs, kPixelBytes = kChannels;
static_assert(kPairs * kPairBytes == kSecondVector + kByteLanes);

// The left or the right pixel of every pair.
constexpr ByteTable pixel_table(std::size_t right) {
  ByteTable table{};
  for (std::size_t i = 0; i < kPairs * kChannels; ++i) {
    const std::size_t byte = (i / kChannels * 2 + right) * kChannels + i % kChannels;
    table.at[i] = byte < kByteLanes ? byte : byte - kSecondVector + kByteLanes;
  }
  return table;
}
constexpr ByteTable kLeftPixels = pixel_table(0), kRightPixels = pixel_table(1);

// Averages of two rows, rounded up; those read before are biased, and still in a cache.
struct FrameRows {
  HWY_INLINE void prefetch(std::size_t at, std::size_t bytes) const {
    prefetch_next(first, second, at, bytes);
  }
  HWY_INLINE Bytes average(std::size_t at) const {
    return hn::AverageRound(hn::LoadU(ByteTag(), first + at), hn::LoadU(ByteTag(), second + at));
  }
  const std::uint8_t *first, *second;
};
struct ReadRows {
  HWY_INLINE void prefetch(std::size_t, std::size_t) const {}
  HWY_INLINE Bytes average(std::size_t at) const {
    const Bytes pixels = bias(hn::LoadU(ByteTag(), first + at));
    if (first == second) return pixels;  // columns alone are halved
    return hn::AverageRound(pixels, bias(hn::LoadU(ByteTag(), second + at)));
  }
  const std::uint8_t *first, *second;
};

// 255 - v. GCC would write the Not as a ternary operation, and of instructions with three operands
// Zen 4 starts half as many.
HWY_INLINE Bytes mirror(Bytes v) {
  Bytes ones = hn::Set(ByteTag(), 0xff);
  __asm__("" : "+v"(ones.raw));
  return hn::Xor(v, ones);
}

// kPairs pairs from byte `at` on to biased pixels: rounded up from the other end is rounded down.
template <typename Rows>
HWY_INLINE Bytes halve_pairs(Rows rows, std::size_t at) {
  const __m512i low = mirror(rows.average(at)).raw;
  const __m512i high = mirror(rows.average(at + kSecondVector)).raw;
  const Bytes left{_mm512_permutex2var_epi8(low, load(kLeftPixels).raw, high)};
  const Bytes right{_mm512_permutex2var_epi8(low, load(kRightPixels).raw, high)};
  return hn::Xor(hn::AverageRound(left, right), hn::Set(ByteTag(), 0xff ^ kBias));
}

// `step` units at a time. The last step ends with the row where nothing may be read beyond it: what
// it computes again is the same.
template <bool kBeyondEnd, typename Step>
HWY_INLINE void for_steps(std::size_t units, std::size_t step, Step run) {
  for (std::size_t unit = 0; unit < units; unit += step) {
    run(kBeyondEnd || unit + step <= units ? unit : units - step);
  }
}

template <bool kBeyondEnd, typename Rows, typename Then>
HWY_INLINE void read_pixels(Rows rows, std::size_t width, bool halve, std::uint8_t* row,
                            const Then then) {
  const auto keep = [&](Bytes pixels, std::size_t at) HWY_ATTR {
    hn::StoreU(pixels, ByteTag(), row + at);
    then(pixels, at);
  };
  if (!halve) {
    for_steps<kBeyondEnd>(width * kChannels, kByteLanes, [&](std::size_t at) HWY_ATTR {
      rows.prefetch(at, kByteLanes);
      keep(bias(rows.average(at)), at);
    });
    return;
  }
  for_steps<kBeyondEnd>(width / 2, kPairs, [&](std::size_t pair) HWY_ATTR {
    rows.prefetch(pair * kPairBytes, kPairs * kPairBytes);
    keep(halve_pairs(rows, pair * kPairBytes), pair * kChannels);
  });
}

// An odd last pixel, averaged already, that has none beside it.
template <typename Rows>
HWY_INLINE void keep_last(Rows rows, std::size_t width, int unbias, std::uint8_t* row) {
  for (std::size_t at = (width - 1) * kChannels; at < width * kChannels; ++at) {
    const int sum = (rows.first[at] ^ unbias) + (rows.second[at] ^ unbias);
    row[at - width / 2 * kChannels] = (sum + 1) / 2 ^ kBias;
  }
}

template <typename Then>
HWY_INLINE void read(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                     bool halve, std::uint8_t* row, std::size_t, const Then then) {
  const FrameRows rows{first, second};
  read_pixels<false>(rows, width, halve, row, then);
  if (halve && width % 2 == 1) keep_last(rows, width, 0, row);
}

void halve_rows(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                std::size_t, bool halve, std::uint8_t* row, std::size_t) noexcept {
  const ReadRows rows{first, second};
  read_pixels<true>(rows, width, halve, row, NoBlend());
  if (halve && width % 2 == 1) keep_last(rows, width, kBias, row);
}

}  // namespace
}  // namespace lapa_edge

#endif
