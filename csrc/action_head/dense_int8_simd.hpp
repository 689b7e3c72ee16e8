// The dense layer with weights in int8, for one instruction set: four columns of one output in each
// lane, summed exactly in int32.
#pragma once

#include "action_head/dense.hpp"
#include "action_head/epilogue_simd.hpp"
#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

#if HWY_TARGET == HWY_SCALAR
constexpr std::size_t kInt8Vectors = 8;
#else
constexpr std::size_t kInt8Vectors = 4;
#endif
constexpr std::size_t kInt8Panel = kInt8Vectors * kLanes;

HWY_INLINE std::int32_t four_bytes(const std::int8_t* x) {
  std::int32_t word;
  __builtin_memcpy(&word, x, sizeof word);
  return word;
}

// Four inputs, the same in every lane, and `sum + weight . inputs` in each lane. Neither weights
// nor inputs are ever -128, which two of these forms could not negate or multiply.
#if defined(__AVX512VNNI__)
// VNNI multiplies unsigned by signed: inputs carry 128 more than they are.
constexpr std::int32_t kInputOffset = 128;

struct FourInputs {
  __m512i values;
};
HWY_INLINE FourInputs read_four(const std::int8_t* x) {
  return {hn::Set(IntTag(), four_bytes(x)).raw};
}
HWY_INLINE Ints add_dot(Ints sum, const std::int8_t* weight, FourInputs x) {
  sum.raw = _mm512_dpbusd_epi32(sum.raw, x.values, _mm512_load_si512(weight));
  return sum;
}
#elif defined(__AVX2__)
constexpr std::int32_t kInputOffset = 0;

struct FourInputs {
  __m256i values, magnitudes;
};
HWY_INLINE FourInputs read_four(const std::int8_t* x) {
  const __m256i values = hn::Set(IntTag(), four_bytes(x)).raw;
  return {values, _mm256_abs_epi8(values)};
}
// The input's sign moves to the weight, since this multiplies unsigned by signed. Its pairs reach
// 2 * 127 * 127, which int16 holds: nothing saturates.
HWY_INLINE Ints add_dot(Ints sum, const std::int8_t* weight, FourInputs x) {
  const __m256i stored = _mm256_load_si256(reinterpret_cast<const __m256i*>(weight));
  const __m256i pairs = _mm256_maddubs_epi16(x.magnitudes, _mm256_sign_epi8(stored, x.values));
  return hn::Add(sum, Ints{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
}
#elif LAPA_EDGE_NEON
constexpr std::int32_t kInputOffset = 0;

struct FourInputs {
  int8x16_t values;
};
HWY_INLINE FourInputs read_four(const std::int8_t* x) {
  return {vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x)))};
}
HWY_INLINE Ints add_dot(Ints sum, const std::int8_t* weight, FourInputs x) {
  const int8x16_t stored = vld1q_s8(weight);
#if defined(__ARM_FEATURE_DOTPROD)
  sum.raw = vdotq_s32(sum.raw, stored, x.values);
#else
  // Pairs reach 2 * 127 * 127, which int16 holds.
  const int16x8_t lower = vmull_s8(vget_low_s8(stored), vget_low_s8(x.values));
  const int16x8_t upper = vmull_high_s8(stored, x.values);
  sum.raw = vpadalq_s16(sum.raw, vpaddq_s16(lower, upper));
#endif
  return sum;
}
#else
constexpr std::int32_t kInputOffset = 0;
static_assert(kLanes == 1);

struct FourInputs {
  const std::int8_t* values;
};
HWY_INLINE FourInputs read_four(const std::int8_t* x) {
  return {x};
}
HWY_INLINE Ints add_dot(Ints sum, const std::int8_t* weight, FourInputs x) {
  std::int32_t total = hn::GetLane(sum);
  for (std::size_t i = 0; i < 4; ++i) total += weight[i] * x.values[i];
  return hn::Set(IntTag(), total);
}
#endif

// x to layer.quantized, for `columns` at least; whether all of them were finite.
HWY_INLINE bool quantize(const DenseView& layer, const float* HWY_RESTRICT x, Columns columns) {
  // Added to a small number, this leaves its nearest integer, to even, in the lower bits: what the
  // instruction sets' own conversions do not agree on.
  const Floats magic = hn::Set(FloatTag(), 12582912.0f);  // 3 * 2^22
  const Ints magic_bits = hn::BitCast(IntTag(), magic);
  const Floats largest = hn::Set(FloatTag(), 127.0f), smallest = hn::Set(FloatTag(), -127.0f);
  const hn::Rebind<std::int8_t, IntTag> bytes;
  const auto offset = hn::Set(bytes, static_cast<std::int8_t>(-kInputOffset));

  Floats strange = hn::Zero(FloatTag());  // x - x is NaN for what is not finite
  for (std::size_t i = columns.first / kLanes * kLanes; i < columns.last; i += kLanes) {
    const Floats value = hn::Load(FloatTag(), x + i);
    strange = hn::Add(strange, hn::Sub(value, value));
    const Floats scaled = hn::Mul(value, hn::Load(FloatTag(), layer.to_int8 + i));
    const Floats rounded = hn::Add(hn::Max(hn::Min(scaled, largest), smallest), magic);
    const Ints whole = hn::Sub(hn::BitCast(IntTag(), rounded), magic_bits);
    // In eight bits, adding 128 is flipping the uppermost.
    hn::StoreU(hn::Xor(hn::DemoteTo(bytes, whole), offset), bytes, layer.quantized + i);
  }
  return hn::AllTrue(FloatTag(), hn::Eq(strange, hn::Zero(FloatTag())));
}

// Chains of additions per output, by group of four columns: two hide the latency of a dot product
// instruction. Elsewhere only the addition is in the chain, and AVX2 is short of registers.
#if defined(__AVX512VNNI__) || defined(__ARM_FEATURE_DOTPROD)
constexpr std::size_t kChains = 2;
#else
constexpr std::size_t kChains = 1;
#endif

// The running sums of one panel.
struct Int8Sums {
  Ints sum[kChains][kInt8Vectors];
};

HWY_INLINE Int8Sums sum_int8(const DenseView& layer, Columns columns, std::size_t p) {
  const auto* start =
      columns.start == nullptr ? layer.first_sums : static_cast<const std::int32_t*>(columns.start);
  Int8Sums sums;
  for (std::size_t c = 0; c < kChains; ++c) {
    for (std::size_t v = 0; v < kInt8Vectors; ++v) {
      sums.sum[c][v] =
          c == 0 ? hn::Load(IntTag(), start + p * kInt8Panel + v * kLanes) : hn::Zero(IntTag());
    }
  }
  const auto* weight = static_cast<const std::int8_t*>(layer.weight) +
                       (p * layer.inputs + columns.first) * kInt8Panel;
  const std::int8_t* x = layer.quantized + columns.first;
  const std::int8_t* const end = layer.quantized + columns.last;
  const auto add_group = [&](std::size_t chain) HWY_ATTR {
    const FourInputs four = read_four(x);
    x += 4;
    for (std::size_t v = 0; v < kInt8Vectors; ++v) {
      sums.sum[chain][v] = add_dot(sums.sum[chain][v], weight, four);
      weight += 4 * kLanes;
    }
  };
  while (x + 4 * kChains <= end) {
    for (std::size_t c = 0; c < kChains; ++c) add_group(c);
  }
  if (x < end) add_group(0);  // of two chains, one may be left over
  for (std::size_t c = 1; c < kChains; ++c) {
    for (std::size_t v = 0; v < kInt8Vectors; ++v) {
      sums.sum[0][v] = hn::Add(sums.sum[0][v], sums.sum[c][v]);
    }
  }
  return sums;
}

void run_dense_int8(const DenseView& layer, const float* x, Columns columns, Epilogue epilogue,
                    float* y) noexcept {
  if (!quantize(layer, x, columns)) {
    const Floats zero = hn::Zero(FloatTag()), nan = hn::Div(zero, zero);
    for (std::size_t o = 0; o < layer.panels * kInt8Panel; o += kLanes) {
      hn::Store(nan, FloatTag(), y + o);
    }
    return;
  }
  for (std::size_t p = 0; p < layer.panels; ++p) {
    const Int8Sums sums = sum_int8(layer, columns, p);
    for (std::size_t v = 0; v < kInt8Vectors; ++v) {
      const std::size_t o = p * kInt8Panel + v * kLanes;
      const Floats dot = hn::ConvertTo(FloatTag(), sums.sum[0][v]);
      store(epilogue,
            fused(dot, hn::Load(FloatTag(), layer.scale + o), hn::Load(FloatTag(), layer.bias + o)),
            y + o);
    }
  }
}

// Trusts x to be finite.
void accumulate_dense_int8(const DenseView& layer, const float* x, Columns columns,
                           void* sums) noexcept {
  quantize(layer, x, columns);
  std::int32_t* to = static_cast<std::int32_t*>(sums);
  for (std::size_t p = 0; p < layer.panels; ++p) {
    const Int8Sums sum = sum_int8(layer, columns, p);
    for (std::size_t v = 0; v < kInt8Vectors; ++v) {
      hn::Store(sum.sum[0][v], IntTag(), to);
      to += kLanes;
    }
  }
}

constexpr DensePass int8_pass() {
  return {kInt8Panel, kInputOffset, run_dense_int8, accumulate_dense_int8};
}

}  // namespace
}  // namespace lapa_edge
