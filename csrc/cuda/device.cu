#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "cuda/device.hpp"

namespace lapa_edge {
namespace {

cudaError_t count_devices(int& devices) noexcept {
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess) cudaGetLastError();  // so that the next caller does not meet it again
  return error;
}

// Empty where a device answers, else the reason in the driver's words.
std::string why_unavailable() {
  int devices = 0;
  const cudaError_t error = count_devices(devices);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return devices > 0 ? "" : "no device found";
}

}  // namespace

bool built_with_cuda() noexcept {
  return true;
}

namespace cuda {

bool available() noexcept {
  int devices = 0;
  return count_devices(devices) == cudaSuccess && devices > 0;
}

void require() {
  const std::string reason = why_unavailable();
  if (!reason.empty()) {
    throw std::runtime_error("device: no CUDA device answers (" + reason +
                             "); pass device=\"cpu\"");
  }
}

}  // namespace cuda
}  // namespace lapa_edge
