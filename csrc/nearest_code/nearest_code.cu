#include "cuda/device_buffer.cuh"
#include "nearest_code/nearest_code.hpp"

namespace lapa_edge::cuda {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kWarpsPerBlock = 4;

// One warp per row of x; lane l looks at codes l, l + 32, ... and the warp then agrees on the
// nearest, the lowest index among equals. -1 where every distance overflowed.
__global__ void nearest_code_kernel(const float* x, const float* codebook, std::size_t m,
                                    std::size_t k, std::size_t d, std::int32_t* codes) {
  const std::size_t row =
      static_cast<std::size_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
  if (row >= m) return;  // the whole warp leaves together

  const unsigned lane = threadIdx.x % kWarp;
  float best = INFINITY;
  std::int32_t code = -1;
  for (std::size_t j = lane; j < k; j += kWarp) {
    const float distance = squared_distance(x + row * d, codebook + j * d, d);
    if (distance < best) {
      best = distance;
      code = static_cast<std::int32_t>(j);
    }
  }
  for (unsigned offset = kWarp / 2; offset > 0; offset /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, best, offset);
    const std::int32_t other_code = __shfl_xor_sync(0xffffffffu, code, offset);
    const bool tie_won = other == best && other_code >= 0 && (code < 0 || other_code < code);
    if (other < best || tie_won) {
      best = other;
      code = other_code;
    }
  }
  if (lane == 0) codes[row] = code;
}

}  // namespace

NearestCodeResult nearest_code(const float* x, const float* codebook, std::size_t m, std::size_t k,
                               std::size_t d, std::int32_t* codes) {
  const NearestCodeResult checked = check_nearest_code(x, codebook, m, k, d);
  if (checked.status != NearestCodeStatus::ok || m == 0) return checked;

  const DeviceBuffer<float> device_x(x, m * d);
  const DeviceBuffer<float> device_codebook(codebook, k * d);
  const DeviceBuffer<std::int32_t> device_codes(m);
  const unsigned blocks = static_cast<unsigned>((m + kWarpsPerBlock - 1) / kWarpsPerBlock);
  nearest_code_kernel<<<blocks, kWarpsPerBlock * kWarp>>>(device_x.data(), device_codebook.data(),
                                                          m, k, d, device_codes.data());
  check(cudaGetLastError(), "launch nearest_code");
  device_codes.download(codes, m);

  for (std::size_t row = 0; row < m; ++row) {
    if (codes[row] < 0) return {NearestCodeStatus::distance_overflow, row};
  }
  return {NearestCodeStatus::ok, 0};
}

}  // namespace lapa_edge::cuda
