// Page-locked host memory that the GPU reads and writes in place.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "cuda/device_buffer.cuh"

namespace lapa_edge::cuda {

/// `count` values of T, zero-filled; one memory under two addresses. Never copied.
template <typename T>
class MappedBuffer {
 public:
  MappedBuffer() = default;
  explicit MappedBuffer(std::size_t count) : count_(count) {
    if (count == 0) return;
    check(cudaHostAlloc(&host_, count * sizeof(T), cudaHostAllocMapped), "allocate mapped memory");
    const cudaError_t error = cudaHostGetDevicePointer(&device_, host_, 0);
    if (error != cudaSuccess) cudaFreeHost(host_);
    check(error, "map host memory");
    std::memset(host_, 0, count * sizeof(T));
  }
  MappedBuffer(MappedBuffer&& other) noexcept
      : host_(std::exchange(other.host_, nullptr)),
        device_(std::exchange(other.device_, nullptr)),
        count_(std::exchange(other.count_, 0)) {}
  MappedBuffer& operator=(MappedBuffer&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(device_, other.device_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~MappedBuffer() { cudaFreeHost(host_); }

  T* host() const noexcept { return static_cast<T*>(host_); }
  T* device() const noexcept { return static_cast<T*>(device_); }
  std::size_t count() const noexcept { return count_; }

 private:
  void* host_ = nullptr;
  void* device_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace lapa_edge::cuda
