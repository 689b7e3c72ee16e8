// The definition in float64 for one instruction set: lanes over the four partial sums.
#pragma once

#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

using DoubleTag = hn::CappedTag<double, 4>;
using Doubles = hn::Vec<DoubleTag>;
using DoubleSourceTag = hn::Rebind<float, DoubleTag>;

constexpr std::size_t kDoubles = hn::MaxLanes(DoubleTag());
constexpr std::size_t kParts = 4 / kDoubles;  // vectors that hold four sums

// Codes compared at once: their chains of additions hide each other's latency.
constexpr std::size_t kAbreast = 4;

HWY_INLINE Doubles load_doubles(const float* from) {
  return hn::PromoteTo(DoubleTag(), hn::LoadU(DoubleSourceTag(), from));
}

// squared_distance() of nearest_code.hpp, from x to each code: no fused operation, the same order.
HWY_INLINE void exact_distances(const float* HWY_RESTRICT x, const float* const (&code)[kAbreast],
                                std::size_t d, double (&distance)[kAbreast]) {
  Doubles sum[kAbreast][kParts];
  for (auto& parts : sum) {
    for (Doubles& part : parts) part = hn::Zero(DoubleTag());
  }
  const std::size_t whole = d - d % 4;
  for (std::size_t column = 0; column < whole; column += 4) {
    for (std::size_t part = 0; part < kParts; ++part) {
      const std::size_t at = column + part * kDoubles;
      const Doubles row = load_doubles(x + at);
      for (std::size_t i = 0; i < kAbreast; ++i) {
        const Doubles difference = hn::Sub(row, load_doubles(code[i] + at));
        sum[i][part] = hn::Add(sum[i][part], hn::Mul(difference, difference));
      }
    }
  }
  for (std::size_t i = 0; i < kAbreast; ++i) {
    double s[4];
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::StoreU(sum[i][part], DoubleTag(), s + part * kDoubles);
    }
    for (std::size_t column = whole; column < d; ++column) {
      const double difference =
          static_cast<double>(x[column]) - static_cast<double>(code[i][column]);
      s[column - whole] += difference * difference;
    }
    distance[i] = (s[0] + s[1]) + (s[2] + s[3]);
  }
}

// The nearest of `count` codes, the first among equals: those in `candidates`, or all from 0 on
// where that is null. -1 where no distance is finite, which is where x is not.
HWY_INLINE std::int32_t nearest_of(const float* x, const float* codes, std::size_t d,
                                   const std::int32_t* candidates, std::size_t count) {
  double best = __builtin_inf();
  std::int32_t nearest = -1;
  for (std::size_t first = 0; first < count; first += kAbreast) {
    std::int32_t index[kAbreast];
    const float* code[kAbreast];
    for (std::size_t i = 0; i < kAbreast; ++i) {
      const std::size_t at = first + i < count ? first + i : count - 1;  // the last, once more
      index[i] = candidates == nullptr ? static_cast<std::int32_t>(at) : candidates[at];
      code[i] = codes + static_cast<std::size_t>(index[i]) * d;
    }
    double distance[kAbreast];
    exact_distances(x, code, d, distance);
    for (std::size_t i = 0; i < kAbreast; ++i) {
      if (distance[i] < best) {
        best = distance[i];
        nearest = index[i];
      }
    }
  }
  return nearest;
}

}  // namespace
}  // namespace lapa_edge
