// The table through which everything finds its vector code: one row per instruction set.
//
// Free of the standard library, since simd/targets/*.cpp include it: see simd/vector.hpp.
#pragma once

#include "action_head/dense.hpp"
#include "nearest_code/search.hpp"
#include "preprocess/resize_kernels.hpp"

namespace lapa_edge {

enum class InstructionSet;

struct Kernels {
  const char* name;  // of the instruction set that they are compiled for
  DenseKernels dense;
  NearestCodeKernels nearest_code;
  ResizeKernels resize;
};

/// The kernels of a runnable instruction set.
const Kernels& kernels_of(InstructionSet set) noexcept;

/// The kernels of the active one.
const Kernels& kernels() noexcept;

// One per file in simd/targets/. Constants: nothing runs when the module is loaded.
extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels, kAvx512Kernels;
extern const Kernels kNeonKernels, kNeonDotprodKernels;

}  // namespace lapa_edge
