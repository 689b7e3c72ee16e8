// What the current GPU grants.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "cuda/device_buffer.cuh"
#include "cuda/stream.cuh"

namespace lapa_edge::cuda {

inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  check(cudaGetDevice(&device), "ask for the device");
  check(cudaDeviceGetAttribute(&value, attribute, device), "ask what the device grants");
  return value;
}

/// Bytes of shared memory that one block may have.
inline std::size_t shared_limit() {
  return static_cast<std::size_t>(device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
}

/// The architecture whose code of `kernel` runs here, 90 for sm_90; older than the GPU where the
/// build had nothing newer.
template <typename... Arguments>
int architecture_of(void (*kernel)(Arguments...)) {
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, kernel), "load a kernel");
  return attributes.ptxVersion;
}

/// Clusters of a prepared kernel that the device runs at once.
template <typename... Arguments>
int clusters_at_once(void (*kernel)(Arguments...), const LaunchShape& shape) {
  int clusters = 0;
  check(cudaOccupancyMaxActiveClusters(&clusters, kernel, LaunchConfig(shape, nullptr).get()),
        "ask how many clusters fit");
  return clusters;
}

/// Blocks of a prepared kernel that the device runs at once.
template <typename... Arguments>
int blocks_at_once(void (*kernel)(Arguments...), const LaunchShape& shape) {
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &blocks, kernel, static_cast<int>(shape.threads), shape.shared),
        "ask how many blocks fit");
  return blocks * device_attribute(cudaDevAttrMultiProcessorCount);
}

/// Loads a kernel now, not at its first launch, and lets it ask for all shared memory there is.
template <typename... Arguments>
void prepare(void (*kernel)(Arguments...), std::size_t shared) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared)),
        "prepare a kernel");
}

}  // namespace lapa_edge::cuda
