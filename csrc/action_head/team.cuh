// Teams of blocks that run one pass of the head together, each in its own way of sharing vectors.
//
// A member keeps every vector whole in its own shared memory, at the places of TeamPlan, and reads
// it there. `publish` makes a value known to the team, `sync` waits until everybody has published
// what it has, and `gather` brings a published vector to the member where `publish` could not.
#pragma once

#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace lapa_edge::cuda {

// Whether the architecture being compiled for has clusters; the host's own pass sees all code.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define LAPA_EDGE_CLUSTERS 1
#endif

/// One block by itself.
struct SoloTeam {
  float* vectors;

  __device__ SoloTeam(float* own_vectors, float*) : vectors(own_vectors) {}
  __device__ unsigned rank() const { return 0; }
  /// Threads `first` of every `step` hold the same value and share the work of publishing it.
  __device__ void publish(unsigned slot, float value, unsigned first, unsigned) const {
    if (first == 0) vectors[slot] = value;
  }
  __device__ void sync() const { __syncthreads(); }
  __device__ void gather(unsigned, unsigned) const {}
};

#if defined(LAPA_EDGE_CLUSTERS)
/// A cluster: neighbours write into each other's shared memory.
struct ClusterTeam {
  float* vectors;

  __device__ ClusterTeam(float* own_vectors, float*) : vectors(own_vectors) {}
  __device__ unsigned rank() const { return cooperative_groups::this_cluster().block_rank(); }
  __device__ void publish(unsigned slot, float value, unsigned first, unsigned step) const {
    const auto cluster = cooperative_groups::this_cluster();
    for (unsigned member = first; member < cluster.num_blocks(); member += step) {
      cluster.map_shared_rank(vectors, member)[slot] = value;
    }
  }
  __device__ void sync() const { cooperative_groups::this_cluster().sync(); }
  __device__ void gather(unsigned, unsigned) const {}
};
#endif

/// A whole cooperative grid: published vectors lie in the device's memory, `exchange`.
struct GridTeam {
  float *vectors, *exchange;

  __device__ GridTeam(float* own_vectors, float* shared_exchange)
      : vectors(own_vectors), exchange(shared_exchange) {}
  __device__ unsigned rank() const { return blockIdx.x; }
  __device__ void publish(unsigned slot, float value, unsigned first, unsigned) const {
    if (first == 0) __stcg(exchange + slot, value);  // past the first cache, which is private
  }
  __device__ void sync() const { cooperative_groups::this_grid().sync(); }
  __device__ void gather(unsigned begin, unsigned count) const {
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
      vectors[begin + i] = __ldcg(exchange + begin + i);
    }
    __syncthreads();
  }
};

}  // namespace lapa_edge::cuda
