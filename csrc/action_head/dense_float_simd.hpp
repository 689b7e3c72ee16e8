// The dense layer with weights in float32 or bf16, for one instruction set: lanes over outputs,
// four chains of fused multiply-adds.
#pragma once

#include "action_head/dense.hpp"
#include "action_head/epilogue_simd.hpp"
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
                                        : hn::Load(FloatTag(), start + f * kPanel + v * kLanes);
    }
  }
  return sums;
}

struct Float32Weights {
  using Word = float;
  static constexpr std::size_t kColumnsPerWord = 1;

  // The products of four columns.
  static HWY_INLINE PanelSums add_four(const Word* HWY_RESTRICT weight, const float* HWY_RESTRICT x,
                                       PanelSums sums) {
    for (std::size_t f = 0; f < kPhases; ++f) {
      const Floats input = hn::Set(FloatTag(), x[f]);
      for (std::size_t v = 0; v < kPanelVectors; ++v) {
        sums.sum[f][v] = fused(hn::Load(FloatTag(), weight), input, sums.sum[f][v]);
        weight += kLanes;
      }
    }
    return sums;
  }
};

// Of the two columns in a word, the first is the lower half. A shift makes it a float32, a mask the
// other: no conversion, so nothing rounds.
struct Bf16Weights {
  using Word = std::uint32_t;
  static constexpr std::size_t kColumnsPerWord = 2;

  static HWY_INLINE PanelSums add_four(const Word* HWY_RESTRICT weight, const float* HWY_RESTRICT x,
                                       PanelSums sums) {
    const hn::RebindToUnsigned<FloatTag> words;
    const auto upper = hn::Set(words, 0xffff0000u);
    for (std::size_t f = 0; f < kPhases; f += 2) {
      const Floats first_input = hn::Set(FloatTag(), x[f]);
      const Floats second_input = hn::Set(FloatTag(), x[f + 1]);
      for (std::size_t v = 0; v < kPanelVectors; ++v) {
        auto pair = hn::Load(words, weight);
#if HWY_ARCH_X86
        // Else the compiler loads it twice, once for each use, and loads are what limits this loop.
        asm("" : "+v"(pair.raw));
#endif
        const Floats first = hn::BitCast(FloatTag(), hn::ShiftLeft<16>(pair));
        const Floats second = hn::BitCast(FloatTag(), hn::And(pair, upper));
        sums.sum[f][v] = fused(first, first_input, sums.sum[f][v]);
        sums.sum[f + 1][v] = fused(second, second_input, sums.sum[f + 1][v]);
        weight += kLanes;
      }
    }
    return sums;
  }
};

// The sums of panel `p` after `columns`.
template <typename Weights>
HWY_INLINE PanelSums sum_columns(const DenseView& layer, const float* HWY_RESTRICT x,
                                 Columns columns, std::size_t p) {
  const float* start = static_cast<const float*>(columns.start);
  PanelSums sums = read_sums(start == nullptr ? nullptr : start + p * kPhases * kPanel);
  const auto* weight = static_cast<const typename Weights::Word*>(layer.weight) +
                       (p * layer.inputs + columns.first) / Weights::kColumnsPerWord * kPanel;
  for (std::size_t i = columns.first; i < columns.last; i += kPhases) {
    sums = Weights::add_four(weight, x + i, sums);
    weight += kPhases / Weights::kColumnsPerWord * kPanel;
  }
  return sums;
}

template <typename Weights>
void run_dense(const DenseView& layer, const float* x, Columns columns, Epilogue epilogue,
               float* y) noexcept {
  for (std::size_t p = 0; p < layer.panels; ++p) {
    const PanelSums sums = sum_columns<Weights>(layer, x, columns, p);
    for (std::size_t v = 0; v < kPanelVectors; ++v) {
      const Floats dot =
          hn::Add(hn::Add(sums.sum[0][v], sums.sum[1][v]), hn::Add(sums.sum[2][v], sums.sum[3][v]));
      const std::size_t o = p * kPanel + v * kLanes;
      store(epilogue, hn::Add(dot, hn::Load(FloatTag(), layer.bias + o)), y + o);
    }
  }
}

template <typename Weights>
void accumulate_dense(const DenseView& layer, const float* x, Columns columns,
                      void* sums) noexcept {
  float* to = static_cast<float*>(sums);
  for (std::size_t p = 0; p < layer.panels; ++p) {
    const PanelSums sum = sum_columns<Weights>(layer, x, columns, p);
    for (std::size_t f = 0; f < kPhases; ++f) {
      for (std::size_t v = 0; v < kPanelVectors; ++v) {
        hn::Store(sum.sum[f][v], FloatTag(), to);
        to += kLanes;
      }
    }
  }
}

template <typename Weights>
constexpr DensePass float_pass() {
  return {kPanel, 0, run_dense<Weights>, accumulate_dense<Weights>};
}

}  // namespace
}  // namespace lapa_edge
