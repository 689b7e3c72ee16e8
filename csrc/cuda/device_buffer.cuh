// Device memory that frees itself, and CUDA errors as exceptions.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace lapa_edge::cuda {

/// Throws std::runtime_error naming the step that failed.
inline void check(cudaError_t error, const char* step) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // so that the next caller does not meet this error again
  throw std::runtime_error(std::string("CUDA: ") + step + ": " + cudaGetErrorString(error));
}

/// `count` values of T on the device; never copied, freed on destruction.
template <typename T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t count) : count_(count) {
    if (count > 0) check(cudaMalloc(&data_, count * sizeof(T)), "allocate");
  }
  DeviceBuffer(const T* host, std::size_t count) : DeviceBuffer(count) { upload(host, count); }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~DeviceBuffer() { cudaFree(data_); }

  /// Done when it returns, for every stream.
  void upload(const T* host, std::size_t count) {
    check(cudaMemcpy(data_, host, count * sizeof(T), cudaMemcpyHostToDevice), "copy to device");
    finish("copy to device");  // what cudaMemcpy returns from may still be on its way
  }
  /// All bytes to 0.
  void clear() {
    check(cudaMemset(data_, 0, count_ * sizeof(T)), "clear device memory");
    finish("clear device memory");
  }
  /// Waits for the kernels launched before it.
  void download(T* host, std::size_t count) const {
    check(cudaMemcpy(host, data_, count * sizeof(T), cudaMemcpyDeviceToHost), "copy to host");
  }

  T* data() const noexcept { return data_; }
  std::size_t count() const noexcept { return count_; }

 private:
  // The default stream, which ours do not wait for.
  static void finish(const char* step) { check(cudaStreamSynchronize(nullptr), step); }

  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace lapa_edge::cuda
