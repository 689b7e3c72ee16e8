#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "cuda_runtime.h"

namespace emulated {

struct Graph {
  std::vector<std::function<void()>> work;
};

/// A thread that does what is queued, in order.
class Stream {
 public:
  Stream() : worker_([this] { work(); }) {}
  ~Stream() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  void push(std::function<void()> work) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      queue_.push_back(std::move(work));
      ++owed_;
    }
    changed_.notify_all();
  }
  bool idle() const { return owed_ == 0; }
  void wait() {
    while (!idle()) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

  Graph* capture = nullptr;

 private:
  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::function<void()> next = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      next();
      --owed_;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::atomic<int> owed_{0};
  bool ending_ = false;
  std::thread worker_;
};

namespace {

std::mutex streams_mutex;
std::set<Stream*> streams;

struct Gpu {
  int multiprocessors, clusters, shared;
};

Gpu gpu() {
  const char* const asked = std::getenv("LAPA_EDGE_EMULATED_GPU");
  const int version = asked == nullptr ? 90 : std::atoi(asked);
  if (version == 87) return {8, 0, 163 * 1024};
  if (version == 120) return {24, 1, 99 * 1024};
  return {24, 1, 227 * 1024};
}

void wait_for_all() {
  const std::lock_guard<std::mutex> lock(streams_mutex);
  for (Stream* stream : streams) stream->wait();
}

}  // namespace

cudaError_t queue(Stream* stream, std::function<void()> work) {
  if (stream == nullptr) {
    work();
  } else if (stream->capture != nullptr) {
    stream->capture->work.push_back(std::move(work));
  } else {
    stream->push(std::move(work));
  }
  return cudaSuccess;
}

cudaError_t launch(const Grid& grid, Stream* stream, std::function<void()> kernel) {
  const bool granted = grid.blocks > 0 && grid.threads > 0 && grid.threads <= 1024 &&
                       grid.blocks % grid.at_once == 0 &&
                       grid.shared_bytes <= static_cast<std::size_t>(gpu().shared);
  if (!granted) return cudaErrorInvalidValue;
  return queue(stream, [grid, kernel = std::move(kernel)] { run_grid(grid, kernel); });
}

}  // namespace emulated

using emulated::gpu;

long long clock64() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "emulated error";
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrClockRate:
      *value = 1000 * 1000;  // kHz: clock64 counts nanoseconds
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = gpu().multiprocessors;
      break;
    case cudaDevAttrClusterLaunch:
      *value = gpu().clusters;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = gpu().shared;
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xff, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  emulated::wait_for_all();
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  *device = host;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  return cudaFree(memory);
}
cudaError_t cudaMemset(void* memory, int value, std::size_t bytes) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return emulated::queue(stream, [=] { std::memcpy(to, from, bytes); });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  *stream = new emulated::Stream;
  const std::lock_guard<std::mutex> lock(emulated::streams_mutex);
  emulated::streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    const std::lock_guard<std::mutex> lock(emulated::streams_mutex);
    emulated::streams.erase(stream);
  }
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream != nullptr) stream->wait();
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return stream == nullptr || stream->idle() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->capture = new emulated::Graph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = std::exchange(stream->capture, nullptr);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned) {
  *executable = new emulated::Graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const auto& work : executable->work) emulated::queue(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
