// The dense layer for one instruction set, for every kind of weights.
#pragma once

#include "action_head/dense_float_simd.hpp"
#include "action_head/dense_int8_simd.hpp"

namespace lapa_edge {
namespace {

constexpr DenseKernels dense_kernels() {
  return {float_pass<Float32Weights>(), float_pass<Bf16Weights>(), int8_pass()};
}

}  // namespace
}  // namespace lapa_edge
