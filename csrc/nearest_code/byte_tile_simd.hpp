// A few rows of x in bytes, and their scores with panels of codes: four times the products of
// float32 in one instruction, for the sets that have it. Lanes over codes.
#pragma once

#include "nearest_code/float_tile_simd.hpp"
#include "nearest_code/search.hpp"
#include "simd/vector.hpp"

#if defined(__AVX512VNNI__) || defined(__ARM_FEATURE_DOTPROD)
#define LAPA_EDGE_HAS_BYTES 1
#else
#define LAPA_EDGE_HAS_BYTES 0
#endif

#if LAPA_EDGE_HAS_BYTES
namespace lapa_edge {
namespace {

// ByteDots: raw vectors of 32-bit integers. GCC would copy any other type's register before and
// after each step. dot_bytes: dots + the products of four bytes of codes and of x, lane by lane.
// store_low_bytes: the lowest byte of each lane.
#if defined(__AVX512VNNI__)
using ByteDots = __v16si;
constexpr bool kUnsignedBytes = true;

HWY_INLINE ByteDots dot_bytes(ByteDots dots, Ints codes, std::int32_t x) {
  return ByteDots(_mm512_dpbusd_epi32(__m512i(dots), codes.raw, _mm512_set1_epi32(x)));
}
HWY_INLINE Ints to_ints(ByteDots dots) {
  return Ints{__m512i(dots)};
}
HWY_INLINE void store_low_bytes(Floats values, std::int8_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm512_cvtepi32_epi8(_mm512_castps_si512(values.raw)));
}
#else
using ByteDots = int32x4_t;
constexpr bool kUnsignedBytes = false;

HWY_INLINE ByteDots dot_bytes(ByteDots dots, Ints codes, std::int32_t x) {
  return vdotq_s32(dots, vreinterpretq_s8_s32(codes.raw), vreinterpretq_s8_s32(vdupq_n_s32(x)));
}
HWY_INLINE Ints to_ints(ByteDots dots) {
  return Ints{dots};
}
HWY_INLINE void store_low_bytes(Floats values, std::int8_t* to) {
  const uint8x16_t bytes = vreinterpretq_u8_f32(values.raw);
  const uint8x16_t even = vuzp1q_u8(bytes, bytes);
  const uint32_t low = vgetq_lane_u32(vreinterpretq_u32_u8(vuzp1q_u8(even, even)), 0);
  __builtin_memcpy(to, &low, sizeof low);
}
#endif

template <std::size_t rows>
struct ByteTile {
  static constexpr std::size_t kVectors = 4;  // by four rows: enough chains to hide the latency
  static constexpr std::size_t kPanel = kVectors * kLanes;

  alignas(64) std::int8_t bytes[rows * kMaxScreenedWidth];
  float scale[rows];
  float bound[rows];  // not finite where the row must not be screened

  HWY_INLINE void prepare(const CodebookView& codebook, const float* x) {
    const FloatTag tag;
    const Screen& screen = codebook.screen;
    Floats largest[rows], inverse[rows], squares[rows], residuals[rows];
    for (Floats& most : largest) most = hn::Set(tag, 0x1p-60f);  // no division by zero
    for_each_centred<rows>(codebook, x, [&](std::size_t row, std::size_t, Floats values) HWY_ATTR {
      largest[row] = hn::Max(largest[row], hn::Abs(values));
    });
    for (std::size_t row = 0; row < rows; ++row) {
      const float most = hn::GetLane(hn::MaxOfLanes(tag, largest[row]));
      scale[row] = most * (1.0f / 127.0f);
      inverse[row] = hn::Set(tag, 127.0f / most);
      squares[row] = residuals[row] = hn::Zero(tag);
    }

    // Added to a small number, this leaves it rounded to a whole one in the lowest bits.
    const Floats shift = hn::Set(tag, 0x1.8p23f);
    const std::size_t stride = whole_vectors(codebook.d);
    for_each_centred<rows>(
        codebook, x, [&](std::size_t row, std::size_t column, Floats values) HWY_ATTR {
          const Floats shifted = hn::MulAdd(values, inverse[row], shift);
          store_low_bytes(shifted, bytes + row * stride + column);
          const Floats whole = hn::Sub(shifted, shift);
          const Floats residual = hn::NegMulAdd(whole, hn::Set(tag, scale[row]), values);
          squares[row] = hn::MulAdd(values, values, squares[row]);
          residuals[row] = hn::MulAdd(residual, residual, residuals[row]);
        });
    for (std::size_t row = 0; row < rows; ++row) {
      const Floats rest = hn::Mul(residuals[row], hn::Set(tag, screen.byte_ratio));
      bound[row] = screen.error.at(
          root_of_sum(hn::MulAdd(squares[row], hn::Set(tag, 1.0f / screen.byte_ratio), rest)));
    }
  }

  // The scores of one panel of codes, from `code` on. Where the codes' bytes carry an offset, every
  // score of a row is off by one amount, which no comparison sees.
  HWY_INLINE void score(const CodebookView& codebook, std::size_t code,
                        Floats (&scores)[rows][kVectors]) const {
    const FloatTag tag;
    const Screen& screen = codebook.screen;
    const std::size_t columns = padded_columns(codebook.d), stride = whole_vectors(codebook.d);
    const std::int8_t* HWY_RESTRICT from = screen.bytes + code * columns;
    ByteDots dots[rows][kVectors] = {};
    for (std::size_t column = 0; column < columns; column += 4, from += 4 * kPanel) {
      const auto* codes = reinterpret_cast<const std::int32_t*>(from);
      for (std::size_t row = 0; row < rows; ++row) {
        std::int32_t x;
        __builtin_memcpy(&x, bytes + row * stride + column, sizeof x);
        for (std::size_t v = 0; v < kVectors; ++v) {
          dots[row][v] = dot_bytes(dots[row][v], hn::Load(IntTag(), codes + v * kLanes), x);
        }
      }
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const Floats both_scales = hn::Set(tag, scale[row] * screen.byte_scale);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const Floats half_norm = hn::Load(tag, screen.half_norm + code + v * kLanes);
        const Floats dot = hn::ConvertTo(tag, to_ints(dots[row][v]));
        scores[row][v] = hn::NegMulAdd(dot, both_scales, half_norm);
      }
    }
  }
};

}  // namespace
}  // namespace lapa_edge
#endif
