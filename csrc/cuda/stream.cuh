// Streams, kernel launches and recorded graphs.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "cuda/device_buffer.cuh"

namespace lapa_edge::cuda {

/// A queue of work that neither waits for the default stream nor holds it up.
class Stream {
 public:
  enum class Priority { normal, urgent };  // urgent blocks start before others that wait

  explicit Stream(Priority priority = Priority::normal) {
    int least = 0, greatest = 0;
    check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "ask for stream priorities");
    check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking,
                                       priority == Priority::urgent ? greatest : least),
          "create a stream");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }

  operator cudaStream_t() const noexcept { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

struct LaunchShape {
  unsigned blocks, threads;
  std::size_t shared = 0;    // dynamic, bytes
  unsigned cluster = 1;      // blocks that share their shared memory, from sm_90 on
  bool cooperative = false;  // all blocks run at once, so that they may wait for each other
};

/// The shape as the runtime wants it.
class LaunchConfig {
 public:
  LaunchConfig(const LaunchShape& shape, cudaStream_t stream) noexcept {
    config_.gridDim = dim3(shape.blocks);
    config_.blockDim = dim3(shape.threads);
    config_.dynamicSmemBytes = shape.shared;
    config_.stream = stream;
    config_.attrs = attributes_;
    if (shape.cluster > 1) {
      cudaLaunchAttribute& attribute = attributes_[config_.numAttrs++];
      attribute.id = cudaLaunchAttributeClusterDimension;
      attribute.val.clusterDim.x = shape.cluster;
      attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    }
    if (shape.cooperative) {
      cudaLaunchAttribute& attribute = attributes_[config_.numAttrs++];
      attribute.id = cudaLaunchAttributeCooperative;
      attribute.val.cooperative = 1;
    }
  }
  LaunchConfig(const LaunchConfig&) = delete;  // points into itself
  LaunchConfig& operator=(const LaunchConfig&) = delete;

  const cudaLaunchConfig_t* get() const noexcept { return &config_; }

 private:
  cudaLaunchAttribute attributes_[2] = {};
  cudaLaunchConfig_t config_ = {};
};

/// Queues a kernel. What it does wrong while it runs shows in a later call.
template <typename... Expected, typename... Given>
cudaError_t launch(void (*kernel)(Expected...), const LaunchShape& shape, cudaStream_t stream,
                   Given&&... arguments) noexcept {
  return cudaLaunchKernelEx(LaunchConfig(shape, stream).get(), kernel,
                            std::forward<Given>(arguments)...);
}

/// Work recorded once and queued again by one call.
class Graph {
 public:
  Graph() = default;
  /// `record` queues the work on `stream` and may throw.
  template <typename Record>
  Graph(cudaStream_t stream, const Record& record) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin a graph");
    cudaGraph_t graph = nullptr;
    try {
      record();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);  // else the stream stays in capture
      if (graph != nullptr) cudaGraphDestroy(graph);
      cudaGetLastError();  // of the ended capture: what failed is thrown
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "end a graph");
    const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check(error, "instantiate a graph");
  }
  Graph(Graph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }
  ~Graph() {
    if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
  }

  cudaError_t launch(cudaStream_t stream) const noexcept {
    return cudaGraphLaunch(executable_, stream);
  }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace lapa_edge::cuda
