// The rows of a resize for one instruction set: read from the frame, and halved.
//
// The byte permutations of AVX-512 reach across two vectors, so there pixels stay as they lie in
// the frame: interleaved_simd.hpp. Others part them into planes: planar_simd.hpp. Both have
//
//   constexpr std::size_t kSourceWidth, kPixelBytes;   as in ResizeKernels
//   template <typename Then> void read(first, second, width, halve, row, pitch, then);
//   void halve_rows(...);                              as in ResizeKernels
//
// where `then(vector, at)` is called for each vector of the row, and where in the row it lies.
#pragma once

#include "preprocess/blend_simd.hpp"
#if HWY_TARGET == HWY_AVX3
#include "preprocess/interleaved_simd.hpp"
#else
#include "preprocess/planar_simd.hpp"
#endif

#if HWY_TARGET != HWY_SCALAR

namespace lapa_edge {
namespace {

void read_rows(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
               bool halve_columns, std::uint8_t* row, std::size_t pitch) noexcept {
  read(first, second, width, halve_columns, row, pitch, NoBlend());
}

void read_and_blend(const std::uint8_t* first, const std::uint8_t* second, std::size_t width,
                    bool halve_columns, std::uint8_t* row, std::size_t pitch, const RowTaps& taps,
                    std::uint8_t* blended) noexcept {
  with_blend(taps, blended, [&](const auto blend) HWY_ATTR {
    read(first, second, width, halve_columns, row, pitch, blend);
  });
}

}  // namespace
}  // namespace lapa_edge

#endif
