// A few rows of x in float32, and their scores with panels of codes. Lanes over codes.
#pragma once

#include "nearest_code/search.hpp"
#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

// Calls step(row, column, x') for each vector of each row of x; beyond a row, x' is zero. The rows
// take turns, so that their chains of operations hide each other's latency.
template <std::size_t rows, class Step>
HWY_INLINE void for_each_centred(const CodebookView& codebook, const float* x, const Step& step) {
  const FloatTag tag;
  const std::size_t d = codebook.d, whole = d - d % kLanes;
  for (std::size_t column = 0; column < whole; column += kLanes) {
    const Floats mean = hn::Load(tag, codebook.screen.mean + column);
    for (std::size_t row = 0; row < rows; ++row) {
      step(row, column, hn::Sub(hn::LoadU(tag, x + row * d + column), mean));
    }
  }
  if (whole == d) return;
  const Floats mean = hn::Load(tag, codebook.screen.mean + whole);
  for (std::size_t row = 0; row < rows; ++row) {
    float rest[kLanes] = {};
    for (std::size_t i = 0; i < d - whole; ++i) rest[i] = x[row * d + whole + i];
    step(row, whole, hn::Sub(hn::LoadU(tag, rest), mean));
  }
}

constexpr std::size_t whole_vectors(std::size_t d) {
  return (d + kLanes - 1) / kLanes * kLanes;
}

// Not sqrtf, which may set errno.
HWY_INLINE float root_of_sum(Floats squares) {
  const hn::CappedTag<float, 1> tag;
  return hn::GetLane(hn::Sqrt(hn::Set(tag, hn::GetLane(hn::SumOfLanes(FloatTag(), squares)))));
}

template <std::size_t rows>
struct FloatTile {
  // Sixteen codes: a panel that suits a small codebook, and four rows of which fill the registers
  // of AVX2.
  static constexpr std::size_t kVectors = HWY_TARGET == HWY_SCALAR ? 4 : 16 / kLanes;
  static constexpr std::size_t kPanel = kVectors * kLanes;

  alignas(64) float centred[rows * kMaxScreenedWidth];
  float bound[rows];  // not finite where the row must not be screened

  HWY_INLINE void prepare(const CodebookView& codebook, const float* x) {
    const FloatTag tag;
    const std::size_t stride = whole_vectors(codebook.d);
    Floats squares[rows];
    for (Floats& sum : squares) sum = hn::Zero(tag);
    for_each_centred<rows>(codebook, x,
                           [&](std::size_t row, std::size_t column, Floats values) HWY_ATTR {
                             hn::Store(values, tag, centred + row * stride + column);
                             squares[row] = hn::MulAdd(values, values, squares[row]);
                           });
    for (std::size_t row = 0; row < rows; ++row) {
      const float norm = root_of_sum(squares[row]);
      const bool screened = norm <= kLargestNorm;  // false for NaN
      const float error = codebook.screen.error.at(norm < kLeastNorm ? kLeastNorm : norm);
      bound[row] = screened ? error : __builtin_inff();
    }
  }

  // The scores of one panel of codes, from `code` on.
  HWY_INLINE void score(const CodebookView& codebook, std::size_t code,
                        Floats (&scores)[rows][kVectors]) const {
    const FloatTag tag;
    const std::size_t stride = whole_vectors(codebook.d);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Floats start = hn::Load(tag, codebook.screen.half_norm + code + v * kLanes);
      for (std::size_t row = 0; row < rows; ++row) scores[row][v] = start;
    }
    const float* HWY_RESTRICT from = codebook.screen.floats + code * codebook.d;
    for (std::size_t column = 0; column < codebook.d; ++column, from += kPanel) {
      for (std::size_t row = 0; row < rows; ++row) {
        const Floats x = hn::Set(tag, centred[row * stride + column]);
        for (std::size_t v = 0; v < kVectors; ++v) {
          scores[row][v] = hn::NegMulAdd(hn::Load(tag, from + v * kLanes), x, scores[row][v]);
        }
      }
    }
  }
};

}  // namespace
}  // namespace lapa_edge
