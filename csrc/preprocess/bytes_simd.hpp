// Products and permutations of bytes that Highway 1.0.3 has no word for, one form per instruction
// set.
//
// On x86 the instructions multiply unsigned by signed bytes, and weights need all of theirs. So
// pixels are kept as signed ones, less kBias: biased.
#pragma once

#include "preprocess/resize_kernels.hpp"
#include "simd/vector.hpp"

#if HWY_TARGET != HWY_SCALAR

namespace lapa_edge {
namespace {

using ByteTag = hn::ScalableTag<std::uint8_t>;
using WordTag = hn::ScalableTag<std::uint16_t>;
using Bytes = hn::Vec<ByteTag>;
using Words = hn::Vec<WordTag>;

constexpr std::size_t kByteLanes = hn::MaxLanes(ByteTag());

#if HWY_ARCH_X86
constexpr std::int32_t kBias = 128;
#else
constexpr std::int32_t kBias = 0;
#endif

// Pixels to biased ones, and back.
HWY_INLINE Bytes bias(Bytes pixels) {
  return kBias == 0 ? pixels : hn::Xor(pixels, hn::Set(ByteTag(), kBias));
}

// GCC 12 would load twice what is used twice, and loads are what there are most of.
HWY_INLINE Bytes load_once(const std::uint8_t* from) {
  Bytes bytes = hn::LoadU(ByteTag(), from);
#if HWY_ARCH_X86
  __asm__("" : "+v"(bytes.raw));
#endif
  return bytes;
}

// Asks for `bytes` bytes of the two rows of a frame that follow these two: by itself a CPU does not
// look as far ahead as a row. Behind the last row it asks in vain.
HWY_INLINE void prefetch_next(const std::uint8_t* first, const std::uint8_t* second, std::size_t at,
                              std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  const std::ptrdiff_t ahead = 2 * (second - first);
  for (std::size_t line = 0; line < bytes; line += kLine) {
    __builtin_prefetch(first + ahead + at + line);
    __builtin_prefetch(second + ahead + at + line);
  }
}

// A vector a channel; or as many bytes of pixels that lie as in a frame.
struct Planes {
  Bytes vector[kChannels];
};

// A constant vector of bytes.
struct ByteTable {
  alignas(64) std::uint8_t at[64];
};

HWY_INLINE Bytes load(const ByteTable& table) {
  return hn::Load(ByteTag(), table.at);
}

// ---- Rows: sums of weighted vectors ----

// Of 16 bits, for the lower and upper half of each 128-bit block of a vector of bytes.
struct WordSums {
  Words lower, upper;
};

// Two weights, over and over.
HWY_INLINE Bytes weight_pair(const std::uint8_t* weights) {
  std::uint16_t both;
  __builtin_memcpy(&both, weights, sizeof both);
  return hn::BitCast(ByteTag(), hn::Set(WordTag(), both));
}

// What two vectors add, each by a weight of the pair.
HWY_INLINE WordSums add_products(WordSums sums, Bytes first, Bytes second, Bytes weights) {
#if HWY_TARGET == HWY_AVX3
  const __m512i lower = _mm512_unpacklo_epi8(first.raw, second.raw);
  const __m512i upper = _mm512_unpackhi_epi8(first.raw, second.raw);
  return {hn::Add(sums.lower, Words{_mm512_maddubs_epi16(weights.raw, lower)}),
          hn::Add(sums.upper, Words{_mm512_maddubs_epi16(weights.raw, upper)})};
#elif HWY_TARGET == HWY_AVX2
  const __m256i lower = _mm256_unpacklo_epi8(first.raw, second.raw);
  const __m256i upper = _mm256_unpackhi_epi8(first.raw, second.raw);
  return {hn::Add(sums.lower, Words{_mm256_maddubs_epi16(weights.raw, lower)}),
          hn::Add(sums.upper, Words{_mm256_maddubs_epi16(weights.raw, upper)})};
#else
  const uint8x8_t first_weight = vdup_laneq_u8(weights.raw, 0);
  const uint8x8_t second_weight = vdup_laneq_u8(weights.raw, 1);
  const uint16x8_t lower = vmlal_u8(sums.lower.raw, vget_low_u8(first.raw), first_weight);
  const uint16x8_t upper = vmlal_u8(sums.upper.raw, vget_high_u8(first.raw), first_weight);
  return {Words{vmlal_u8(lower, vget_low_u8(second.raw), second_weight)},
          Words{vmlal_u8(upper, vget_high_u8(second.raw), second_weight)}};
#endif
}

#if HWY_TARGET == HWY_AVX3
// The odd bytes of two vectors, put together as `unpack` took them apart block by block.
constexpr ByteTable high_byte_table() {
  ByteTable table{};
  for (int i = 0; i < 64; ++i) table.at[i] = i / 16 * 16 + i % 8 * 2 + 1 + i % 16 / 8 * 64;
  return table;
}
constexpr ByteTable kHighBytes = high_byte_table();
#endif

// The upper byte of every sum.
HWY_INLINE Bytes high_bytes(WordSums sums) {
#if HWY_TARGET == HWY_AVX3
  return Bytes{_mm512_permutex2var_epi8(sums.lower.raw, load(kHighBytes).raw, sums.upper.raw)};
#elif HWY_TARGET == HWY_AVX2
  return Bytes{_mm256_packus_epi16(_mm256_srli_epi16(sums.lower.raw, 8),
                                   _mm256_srli_epi16(sums.upper.raw, 8))};
#else
  return Bytes{vshrn_high_n_u16(vshrn_n_u16(sums.lower.raw, 8), sums.upper.raw, 8)};
#endif
}

// ---- Columns: sums of neighbours ----

// `start` and the sums of four products each.
HWY_INLINE Ints add_dots(Ints start, Bytes weights, Bytes biased) {
#if HWY_TARGET == HWY_AVX3
  return Ints{_mm512_dpbusd_epi32(start.raw, weights.raw, biased.raw)};
#elif HWY_TARGET == HWY_AVX2
  const __m256i pairs = _mm256_maddubs_epi16(weights.raw, biased.raw);
  return hn::Add(start, Ints{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#elif defined(__ARM_FEATURE_DOTPROD)
  const uint32x4_t sums = vreinterpretq_u32_s32(start.raw);
  return Ints{vreinterpretq_s32_u32(vdotq_u32(sums, weights.raw, biased.raw))};
#else
  const uint16x8_t lower = vmull_u8(vget_low_u8(weights.raw), vget_low_u8(biased.raw));
  const uint16x8_t upper = vmull_high_u8(weights.raw, biased.raw);
  const uint32x4_t sums = vpaddq_u32(vpaddlq_u16(lower), vpaddlq_u16(upper));
  return hn::Add(start, Ints{vreinterpretq_s32_u32(sums)});
#endif
}

}  // namespace
}  // namespace lapa_edge

#endif
