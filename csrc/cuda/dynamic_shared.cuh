// The shared memory that a launch asked for.
#pragma once

#include <cuda_runtime.h>

namespace lapa_edge::cuda {

/// Of the running block, aligned for 16-byte accesses.
__device__ inline float* dynamic_shared_floats() {
  extern __shared__ float4 dynamic_shared_memory[];
  return reinterpret_cast<float*>(dynamic_shared_memory);
}

}  // namespace lapa_edge::cuda
