#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "cuda/device.hpp"

namespace lapa_edge {
namespace {

// Empty where a device answers, else the reason in the driver's words.
std::string why_unavailable() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaSuccess) return devices > 0 ? "" : "no device found";
  cudaGetLastError();  // so that the next caller does not meet this error again
  return cudaGetErrorString(error);
}

}  // namespace

bool built_with_cuda() noexcept {
  return true;
}

namespace cuda {

bool available() noexcept {
  int devices = 0;
  const bool answered = cudaGetDeviceCount(&devices) == cudaSuccess;
  if (!answered) cudaGetLastError();
  return answered && devices > 0;
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
