// The candidates of one row, and how they are decided for one instruction set: what float32 can
// tell apart, then the definition in float64, lanes over its four partial sums.
#pragma once

#include "nearest_code/search.hpp"
#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

// The codes that can be nearest to one row, in ascending order. Too many stand for every code.
struct Candidates {
  static constexpr std::size_t kMost = 128;

  std::size_t count;
  std::int32_t code[kMost];

  bool too_many() const { return count > kMost; }
  void give_up() { count = kMost + 1; }
};

// |x - code|^2 in float32, without the mean: it errs by less than (d + 16) 2^-24 of itself.
HWY_INLINE float direct_distance(const float* x, const float* code, std::size_t d) {
  const FloatTag tag;
  const std::size_t whole = d - d % kLanes;
  Floats sum = hn::Zero(tag);
  for (std::size_t column = 0; column < whole; column += kLanes) {
    const Floats difference = hn::Sub(hn::LoadU(tag, x + column), hn::LoadU(tag, code + column));
    sum = hn::MulAdd(difference, difference, sum);
  }
  float distance = hn::GetLane(hn::SumOfLanes(tag, sum));
  for (std::size_t column = whole; column < d; ++column) {
    distance += (x[column] - code[column]) * (x[column] - code[column]);
  }
  return distance;
}

// Drops what a direct distance tells from the nearest; overflow and NaN tell nothing.
HWY_INLINE void narrow(const CodebookView& codebook, const float* x, Candidates& candidates) {
  constexpr std::size_t kAtOnce = 64;
  const std::size_t d = codebook.d;
  const bool all = candidates.too_many();
  const std::size_t count = all ? codebook.k : candidates.count;
  // Four times the error; what squares lose to underflow lies far below the last term.
  const float slack = static_cast<float>(d + 16) * 0x1p-22f;
  float best = __builtin_inff();
  std::size_t kept = 0;
  for (std::size_t first = 0; first < count; first += kAtOnce) {
    const std::size_t here = count - first < kAtOnce ? count - first : kAtOnce;
    if (kept + here > Candidates::kMost) return candidates.give_up();
    std::int32_t code[kAtOnce];
    float distance[kAtOnce];
    for (std::size_t i = 0; i < here; ++i) {
      code[i] = all ? static_cast<std::int32_t>(first + i) : candidates.code[first + i];
      const float* vector = codebook.codes + static_cast<std::size_t>(code[i]) * d;
      distance[i] = direct_distance(x, vector, d);
      if (distance[i] < best) best = distance[i];
    }
    const float limit = best + best * slack + 0x1p-100f;
    for (std::size_t i = 0; i < here; ++i) {
      candidates.code[kept] = code[i];
      kept += !(distance[i] > limit);
    }
  }
  candidates.count = kept;
  if (!(best < __builtin_inff())) candidates.give_up();
}

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

// The nearest of the candidates, the first among equals; -1 where no distance is finite, which is
// where x is not.
HWY_INLINE std::int32_t nearest_of(const CodebookView& codebook, const float* x,
                                   const Candidates& candidates) {
  const bool all = candidates.too_many();
  const std::size_t count = all ? codebook.k : candidates.count;
  double best = __builtin_inf();
  std::int32_t nearest = -1;
  for (std::size_t first = 0; first < count; first += kAbreast) {
    std::int32_t index[kAbreast];
    const float* code[kAbreast];
    for (std::size_t i = 0; i < kAbreast; ++i) {
      const std::size_t at = first + i < count ? first + i : count - 1;  // the last, once more
      index[i] = all ? static_cast<std::int32_t>(at) : candidates.code[at];
      code[i] = codebook.codes + static_cast<std::size_t>(index[i]) * codebook.d;
    }
    double distance[kAbreast];
    exact_distances(x, code, codebook.d, distance);
    for (std::size_t i = 0; i < kAbreast; ++i) {
      if (distance[i] < best) {
        best = distance[i];
        nearest = index[i];
      }
    }
  }
  return nearest;
}

HWY_INLINE std::int32_t decide(const CodebookView& codebook, const float* x,
                               Candidates& candidates) {
  if (candidates.count != 1) narrow(codebook, x, candidates);
  return candidates.count == 1 ? candidates.code[0] : nearest_of(codebook, x, candidates);
}

}  // namespace
}  // namespace lapa_edge
