// The resize's kernels for one instruction set.
#pragma once

#include "preprocess/columns_simd.hpp"
#include "preprocess/resize_scalar.hpp"
#include "preprocess/rows_simd.hpp"

namespace lapa_edge {
namespace {

constexpr ResizeKernels resize_kernels() {
#if HWY_TARGET == HWY_SCALAR
  constexpr std::size_t kSourceWidth = 1, kChunk = 1, kWindow = 1, kPixelBytes = 1;
#endif
  return {kSourceWidth,   kChunk,     kWindow,    kPixelBytes,      read_rows,
          read_and_blend, halve_rows, blend_rows, resample_columns, normalise_columns};
}

}  // namespace
}  // namespace lapa_edge
