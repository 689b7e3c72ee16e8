// The dense layer for one instruction set: lanes over outputs, four chains of fused multiply-adds.
#pragma once

#include "action_head/dense.hpp"
#include "simd/vector.hpp"

namespace lapa_edge {
namespace {

// Vectors in a panel. Four of them by four phases hide the latency of the multiply-add and still
// leave registers free; the sixteen registers of AVX2 hold two by four.
#if HWY_TARGET == HWY_AVX2
constexpr std::size_t kPanelVectors = 2;
#elif HWY_TARGET == HWY_SCALAR
constexpr std::size_t kPanelVectors = 8;
#else
constexpr std::size_t kPanelVectors = 4;
#endif
constexpr std::size_t kPanel = kPanelVectors * kLanes;

// The running sums of one panel.
struct PanelSums {
  Floats sum[kPhases][kPanelVectors];
};

HWY_INLINE PanelSums read_sums(const float* start) {
  PanelSums sums;
  for (std::size_t f = 0; f < kPhases; ++f) {
    for (std::size_t v = 0; v < kPanelVectors; ++v) {
      sums.sum[f][v] = start == nullptr ? hn::Zero(FloatTag())
                                        : hn::LoadU(FloatTag(), start + f * kPanel + v * kLanes);
    }
  }
  return sums;
}

HWY_INLINE PanelSums sum_columns(const float* HWY_RESTRICT weight, const float* HWY_RESTRICT x,
                                 std::size_t first, std::size_t last, PanelSums sums) {
  weight += first * kPanel;
  for (std::size_t i = first; i < last; i += kPhases) {
    for (std::size_t f = 0; f < kPhases; ++f) {
      const Floats input = hn::Set(FloatTag(), x[i + f]);
      for (std::size_t v = 0; v < kPanelVectors; ++v) {
        sums.sum[f][v] = fused(hn::LoadU(FloatTag(), weight), input, sums.sum[f][v]);
        weight += kLanes;
      }
    }
  }
  return sums;
}

// Not Max(v, 0), which instruction sets answer differently for NaN.
HWY_INLINE Floats relu(Floats v) {
  return hn::IfThenZeroElse(hn::Lt(v, hn::Zero(FloatTag())), v);
}

HWY_INLINE void store(Epilogue epilogue, Floats v, float* y) {
  switch (epilogue) {
    case Epilogue::assign:
      break;
    case Epilogue::relu:
      v = relu(v);
      break;
    case Epilogue::add:
      v = hn::Add(hn::LoadU(FloatTag(), y), v);
      break;
    case Epilogue::gate:
      v = hn::Mul(hn::LoadU(FloatTag(), y), relu(v));
      break;
  }
  hn::StoreU(v, FloatTag(), y);
}

void run_dense(const DenseView& layer, const float* x, Columns columns, Epilogue epilogue,
               float* y) noexcept {
  for (std::size_t p = 0; p < layer.panels; ++p) {
    const float* start = columns.start == nullptr ? nullptr : columns.start + p * kPhases * kPanel;
    const PanelSums sums = sum_columns(layer.weight + p * layer.inputs * kPanel, x, columns.first,
                                       columns.last, read_sums(start));
    for (std::size_t v = 0; v < kPanelVectors; ++v) {
      const Floats dot =
          hn::Add(hn::Add(sums.sum[0][v], sums.sum[1][v]), hn::Add(sums.sum[2][v], sums.sum[3][v]));
      const std::size_t o = p * kPanel + v * kLanes;
      store(epilogue, hn::Add(dot, hn::LoadU(FloatTag(), layer.bias + o)), y + o);
    }
  }
}

void accumulate_dense(const DenseView& layer, const float* x, Columns columns,
                      float* sums) noexcept {
  for (std::size_t p = 0; p < layer.panels; ++p) {
    const std::size_t at = p * kPhases * kPanel;
    const PanelSums sum =
        sum_columns(layer.weight + p * layer.inputs * kPanel, x, columns.first, columns.last,
                    read_sums(columns.start == nullptr ? nullptr : columns.start + at));
    for (std::size_t f = 0; f < kPhases; ++f) {
      for (std::size_t v = 0; v < kPanelVectors; ++v) {
        hn::StoreU(sum.sum[f][v], FloatTag(), sums + at + f * kPanel + v * kLanes);
      }
    }
  }
}

constexpr DenseKernels dense_kernels() {
  return {kPanel, run_dense, accumulate_dense};
}

}  // namespace
}  // namespace lapa_edge
