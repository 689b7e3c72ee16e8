// Takes the place of csrc/cuda/dynamic_shared.cuh.
#pragma once

#include "fibers.hpp"

namespace lapa_edge::cuda {

inline float* dynamic_shared_floats() {
  return reinterpret_cast<float*>(emulated::thread().block->shared.data());
}

}  // namespace lapa_edge::cuda
