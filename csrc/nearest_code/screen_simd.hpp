// The screen for one instruction set: which codes can be the nearest. Lanes over codes.
//
// What a score can be wrong by, with u = 2^-24, X = |x'|, and N at least every |c'|:
//
//   float32   x', c', |c'|^2 / 2 and each of the d steps of the dot product round once, relative
//             to sums that X N + N^2 bounds: less than (d + 16) u (X N + N^2).
//   bytes     x' = s q + r with whole q, and each c' within R of its bytes: Cauchy-Schwarz adds
//             |r| N + (X + |r|) R. The integer sum of products is exact.
//   float64   the definition itself rounds: less than (d + 16) 2^-53 (X^2 + N^2) of half a distance.
//
// Twice the first and the last, and 1.001 times the second, also cover the rounding of these
// formulas. X and N are raised to 2^-50 at least, which puts the bound above whatever underflows.
#pragma once

#include "nearest_code/search.hpp"
#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

#if defined(__AVX512VNNI__) || defined(__ARM_FEATURE_DOTPROD)
#define LAPA_EDGE_HAS_BYTES 1
#else
#define LAPA_EDGE_HAS_BYTES 0
#endif

constexpr std::size_t kTileRows = 4;

using IntTag = hn::RebindToSigned<FloatTag>;
using Ints = hn::Vec<IntTag>;

// A few rows of x on their way through the screen.
struct Tile {
  std::size_t stride;  // between two rows: d, and zeros up to a whole vector
  alignas(64) float centred[kTileRows * kMaxScreenedWidth];
  alignas(64) std::int8_t bytes[kTileRows * kMaxScreenedWidth];
  float byte_scale[kTileRows];
  float bound[kTileRows];  // not finite where the row must not be screened
  float byte_bound[kTileRows];
};

// Scores of the rows with one panel of codes, from `code` on. Sixteen codes suit a small codebook.
struct ByFloats {
  static constexpr std::size_t kVectors = HWY_TARGET == HWY_SCALAR ? 4 : 16 / kLanes;
  static constexpr std::size_t kPanel = kVectors * kLanes;

  static const float* bounds(const Tile& tile) { return tile.bound; }

  template <std::size_t rows>
  HWY_INLINE static void score(const Screen& screen, std::size_t d, std::size_t code,
                               const Tile& tile, Floats (&scores)[rows][kVectors]) {
    const FloatTag tag;
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Floats start = hn::Load(tag, screen.half_norm + code + v * kLanes);
      for (std::size_t row = 0; row < rows; ++row) scores[row][v] = start;
    }
    const float* HWY_RESTRICT from = screen.floats + code * d;
    for (std::size_t column = 0; column < d; ++column, from += kPanel) {
      for (std::size_t row = 0; row < rows; ++row) {
        const Floats x = hn::Set(tag, tile.centred[row * tile.stride + column]);
        for (std::size_t v = 0; v < kVectors; ++v) {
          scores[row][v] = hn::NegMulAdd(hn::Load(tag, from + v * kLanes), x, scores[row][v]);
        }
      }
    }
  }
};

#if LAPA_EDGE_HAS_BYTES
// sum + the products of four bytes of the codes with four bytes of x, lane by lane. The raw vector
// of 32-bit integers: GCC copies the register of any other type before and after each step.
#if defined(__AVX512VNNI__)
using ByteDots = __v16si;
constexpr bool kUnsignedBytes = true;

HWY_INLINE void store_low_bytes(Floats values, std::int8_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm512_cvtepi32_epi8(_mm512_castps_si512(values.raw)));
}
HWY_INLINE ByteDots dot_bytes(ByteDots sum, Ints codes, std::int32_t x) {
  return ByteDots(_mm512_dpbusd_epi32(__m512i(sum), codes.raw, _mm512_set1_epi32(x)));
}
HWY_INLINE Ints to_ints(ByteDots sum) {
  return Ints{__m512i(sum)};
}
#else
using ByteDots = int32x4_t;
constexpr bool kUnsignedBytes = false;

HWY_INLINE void store_low_bytes(Floats values, std::int8_t* to) {
  const uint8x16_t bytes = vreinterpretq_u8_f32(values.raw);
  const uint8x16_t even = vuzp1q_u8(bytes, bytes);
  const uint32_t low = vgetq_lane_u32(vreinterpretq_u32_u8(vuzp1q_u8(even, even)), 0);
  __builtin_memcpy(to, &low, sizeof low);
}
HWY_INLINE ByteDots dot_bytes(ByteDots sum, Ints codes, std::int32_t x) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(codes.raw), vreinterpretq_s8_s32(vdupq_n_s32(x)));
}
HWY_INLINE Ints to_ints(ByteDots sum) {
  return Ints{sum};
}
#endif

// The same by bytes. Where those of the codes carry an offset of 128, every score of a row is off
// by one amount, which no comparison sees.
struct ByBytes {
  static constexpr std::size_t kVectors = 4;
  static constexpr std::size_t kPanel = kVectors * kLanes;

  static const float* bounds(const Tile& tile) { return tile.byte_bound; }

  template <std::size_t rows>
  HWY_INLINE static void score(const Screen& screen, std::size_t d, std::size_t code,
                               const Tile& tile, Floats (&scores)[rows][kVectors]) {
    const FloatTag tag;
    const std::size_t columns = padded_columns(d);
    const std::int8_t* HWY_RESTRICT from = screen.bytes + code * columns;
    ByteDots dots[rows][kVectors] = {};
    for (std::size_t column = 0; column < columns; column += 4, from += 4 * kPanel) {
      const auto* codes = reinterpret_cast<const std::int32_t*>(from);
      for (std::size_t row = 0; row < rows; ++row) {
        std::int32_t x;
        __builtin_memcpy(&x, tile.bytes + row * tile.stride + column, sizeof x);
        for (std::size_t v = 0; v < kVectors; ++v) {
          dots[row][v] = dot_bytes(dots[row][v], hn::Load(IntTag(), codes + v * kLanes), x);
        }
      }
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const Floats scale = hn::Set(tag, tile.byte_scale[row] * screen.byte_scale);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const Floats half_norm = hn::Load(tag, screen.half_norm + code + v * kLanes);
        const Floats dot = hn::ConvertTo(tag, to_ints(dots[row][v]));
        scores[row][v] = hn::NegMulAdd(dot, scale, half_norm);
      }
    }
  }
};
#endif

// Calls step(column, values) for each vector of a row of d values, the last filled up with zeros.
template <class Step>
HWY_INLINE void for_each_vector(const float* x, std::size_t d, const Step& step) {
  const std::size_t whole = d - d % kLanes;
  for (std::size_t column = 0; column < whole; column += kLanes) {
    step(column, hn::LoadU(FloatTag(), x + column));
  }
  if (whole == d) return;
  float rest[kLanes] = {};
  for (std::size_t i = 0; i < d - whole; ++i) rest[i] = x[whole + i];
  step(whole, hn::LoadU(FloatTag(), rest));
}

// Not sqrtf, which may set errno.
HWY_INLINE float root_of_sum(Floats squares) {
  const hn::CappedTag<float, 1> tag;
  return hn::GetLane(hn::Sqrt(hn::Set(tag, hn::GetLane(hn::SumOfLanes(FloatTag(), squares)))));
}

// Centres one row of x, turns it into bytes, and bounds what its scores can be wrong by.
HWY_INLINE void prepare_row(const CodebookView& codebook, const float* x, std::size_t row,
                            Tile& tile) {
  const FloatTag tag;
  const Screen& screen = codebook.screen;
  float* centred = tile.centred + row * tile.stride;
  Floats squares = hn::Zero(tag), largest = hn::Zero(tag);
  for_each_vector(x, codebook.d, [&](std::size_t column, Floats values) {
    const Floats c = hn::Sub(values, hn::Load(tag, screen.mean + column));
    hn::Store(c, tag, centred + column);
    squares = hn::MulAdd(c, c, squares);
    largest = hn::Max(largest, hn::Abs(c));
  });
  float norm = root_of_sum(squares);
  if (!(norm <= kLargestNorm)) {  // NaN too
    norm = __builtin_inff();
  } else if (norm < kLeastNorm) {
    norm = kLeastNorm;
  }
  const auto steps = static_cast<float>(codebook.d + 16);
  tile.bound[row] = steps * (0x1p-23f * (norm + screen.norm) * screen.norm + 0x1p-52f * norm * norm);

#if LAPA_EDGE_HAS_BYTES
  if (screen.bytes == nullptr) return;
  const float most = hn::GetLane(hn::MaxOfLanes(tag, largest));
  const float scale = most / 127.0f;
  const Floats inverse = hn::Set(tag, most >= kLeastNorm * 0x1p-20f ? 127.0f / most : 0.0f);
  // Added to a small number, this leaves it rounded to a whole one in the lowest bits.
  const Floats shift = hn::Set(tag, 0x1.8p23f);
  Floats residuals = hn::Zero(tag);
  for (std::size_t column = 0; column < codebook.d; column += kLanes) {
    const Floats c = hn::Load(tag, centred + column);
    const Floats shifted = hn::MulAdd(c, inverse, shift);
    store_low_bytes(shifted, tile.bytes + row * tile.stride + column);
    const Floats residual = hn::NegMulAdd(hn::Sub(shifted, shift), hn::Set(tag, scale), c);
    residuals = hn::MulAdd(residual, residual, residuals);
  }
  const float residual = root_of_sum(residuals);
  tile.byte_scale[row] = scale;
  tile.byte_bound[row] = tile.bound[row] + 1.001f * (residual * screen.norm +
                                                     (norm + residual) * screen.residual);
#endif
}

}  // namespace
}  // namespace lapa_edge
