// Pixels of three channels to three planes, in registers.
#pragma once

#include "preprocess/bytes_simd.hpp"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_AVX3

namespace lapa_edge {
namespace {

#if HWY_TARGET == HWY_AVX2

// Byte i of block b of a stretch of 48 belongs to channel (16 b + i) % 3, so each byte of a block
// is wanted from one of the three alone: they are merged, then brought into order.
constexpr ByteTable merge_table(int channel, int block) {
  ByteTable table{};
  for (int i = 0; i < 32; ++i) table.at[i] = (16 * block + i % 16) % 3 == channel ? 0xff : 0;
  return table;
}
constexpr ByteTable order_table(int channel) {
  ByteTable table{};
  for (int i = 0; i < 32; ++i) table.at[i] = (3 * (i % 16) + channel) % 16;
  return table;
}
constexpr ByteTable kMerge[kChannels][2] = {{merge_table(0, 1), merge_table(0, 2)},
                                            {merge_table(1, 1), merge_table(1, 2)},
                                            {merge_table(2, 1), merge_table(2, 2)}};
constexpr ByteTable kOrder[kChannels] = {order_table(0), order_table(1), order_table(2)};

HWY_INLINE Planes split(const Planes& pixels) {
  const __m256i a = pixels.vector[0].raw, b = pixels.vector[1].raw, c = pixels.vector[2].raw;
  const __m256i block0 = _mm256_blend_epi32(a, b, 0xf0);
  const __m256i block1 = _mm256_permute2x128_si256(a, c, 0x21);
  const __m256i block2 = _mm256_blend_epi32(b, c, 0xf0);
  Planes planes;
  for (std::size_t k = 0; k < kChannels; ++k) {
    __m256i merged = _mm256_blendv_epi8(block0, block1, load(kMerge[k][0]).raw);
    merged = _mm256_blendv_epi8(merged, block2, load(kMerge[k][1]).raw);
    planes.vector[k].raw = _mm256_shuffle_epi8(merged, load(kOrder[k]).raw);
  }
  return planes;
}

#else

constexpr ByteTable split_table(int channel) {
  ByteTable table{};
  for (int x = 0; x < 16; ++x) table.at[x] = 3 * x + channel;
  return table;
}
constexpr ByteTable kSplit[kChannels] = {split_table(0), split_table(1), split_table(2)};

HWY_INLINE Planes split(const Planes& pixels) {
  const uint8x16x3_t bytes{{pixels.vector[0].raw, pixels.vector[1].raw, pixels.vector[2].raw}};
  Planes planes;
  for (std::size_t c = 0; c < kChannels; ++c) {
    planes.vector[c].raw = vqtbl3q_u8(bytes, load(kSplit[c]).raw);
  }
  return planes;
}

#endif

}  // namespace
}  // namespace lapa_edge

#endif
