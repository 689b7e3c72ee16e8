// The part of the CUDA runtime that csrc/ uses, on the CPU: device memory is the heap, a stream is
// a thread, a kernel runs by fibers.hpp. LAPA_EDGE_EMULATED_GPU chooses the GPU: 87, 90 or 120.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

#include "fibers.hpp"

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __restrict__ __restrict

struct alignas(16) float4 {
  float x, y, z, w;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// Read as unsigned numbers; all kernels are one-dimensional.
namespace emulated {
template <unsigned (*kRead)()>
struct BuiltIn {
  struct {
    operator unsigned() const { return kRead(); }
  } x;
};
inline unsigned thread_index() {
  return thread().index;
}
inline unsigned block_index() {
  return thread().block->index;
}
}  // namespace emulated

inline const emulated::BuiltIn<emulated::thread_index> threadIdx{};
inline const emulated::BuiltIn<emulated::block_index> blockIdx{};
inline const emulated::BuiltIn<emulated::block_size> blockDim{};
inline const emulated::BuiltIn<emulated::grid_size> gridDim{};

// Device functions.

inline void __syncthreads() {
  emulated::thread().block->barrier.wait();
}
inline int __syncthreads_and(int vote) {
  emulated::Barrier& barrier = emulated::thread().block->barrier;
  barrier.wait(vote != 0);
  return barrier.last_all;
}
inline int __syncthreads_or(int vote) {
  emulated::Barrier& barrier = emulated::thread().block->barrier;
  barrier.wait(vote != 0);
  return barrier.last_any;
}
inline void __syncwarp() {
  emulated::thread().warp->barrier.wait();
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  emulated::Thread& self = emulated::thread();
  const unsigned lane = self.index % 32;
  std::memcpy(&self.warp->values[lane], &value, sizeof value);
  self.warp->barrier.wait();
  T other;
  std::memcpy(&other, &self.warp->values[lane ^ mask], sizeof other);
  self.warp->barrier.wait();
  return other;
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
template <typename T>
void __stcg(T* to, T value) {
  *to = value;
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fsub_rn(float a, float b) {
  return a - b;
}
inline double __dsub_rn(double a, double b) {
  return a - b;
}
inline double __dadd_rn(double a, double b) {
  return a + b;
}
inline double __dmul_rn(double a, double b) {
  return a * b;
}
long long clock64();

// The host's side.

enum cudaError_t {
  cudaSuccess,
  cudaErrorInvalidValue,
  cudaErrorNotReady,
  cudaErrorLaunchFailure,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr {
  cudaDevAttrClockRate,
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrClusterLaunch,
  cudaDevAttrMaxSharedMemoryPerBlockOptin,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum cudaLaunchAttributeID {
  cudaLaunchAttributeClusterDimension,
  cudaLaunchAttributeCooperative,
};
constexpr unsigned cudaHostAllocMapped = 2, cudaStreamNonBlocking = 1;

struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    dim3 clusterDim;
    int cooperative;
  } val;
};

namespace emulated {
class Stream;
struct Graph;
cudaError_t queue(Stream* stream, std::function<void()> work);
cudaError_t launch(const Grid& grid, Stream* stream, std::function<void()> kernel);
}  // namespace emulated

using cudaStream_t = emulated::Stream*;
using cudaGraph_t = emulated::Graph*;
using cudaGraphExec_t = emulated::Graph*;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);

cudaError_t cudaMalloc(void** memory, std::size_t bytes);
template <typename T>
cudaError_t cudaMalloc(T** memory, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(memory), bytes);
}
cudaError_t cudaFree(void* memory);  // waits for all streams, as the real one does
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags);
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemset(void* memory, int value, std::size_t bytes);
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

struct cudaFuncAttributes {
  int ptxVersion;
};

template <typename Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel*) {
  attributes->ptxVersion = 90;
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, Kernel*, const cudaLaunchConfig_t*) {
  *clusters = 1;
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel*, int, std::size_t) {
  *blocks = 1;
  return cudaSuccess;
}

template <typename... Expected, typename... Given>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Expected...),
                               Given&&... given) {
  emulated::Grid grid{config->gridDim.x, config->blockDim.x, 1, config->dynamicSmemBytes};
  for (unsigned a = 0; a < config->numAttrs; ++a) {
    const cudaLaunchAttribute& attribute = config->attrs[a];
    const bool cluster = attribute.id == cudaLaunchAttributeClusterDimension;
    grid.at_once = cluster ? attribute.val.clusterDim.x : config->gridDim.x;
  }
  std::tuple<Expected...> arguments(std::forward<Given>(given)...);
  return emulated::launch(grid, config->stream,
                          [kernel, arguments] { std::apply(kernel, arguments); });
}
