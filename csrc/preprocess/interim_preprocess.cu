// By the definition of preprocess.hpp as it stands; preprocess.cu takes its place with the next
// one.
#include "cuda/device_buffer.cuh"
#include "cuda/stream.cuh"
#include "preprocess/preprocess.hpp"

namespace lapa_edge::cuda {
namespace {

constexpr unsigned kThreads = 256;

unsigned blocks_for(std::size_t threads) {
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

// A ResizeAxis whose arrays lie on the device.
struct AxisView {
  const std::int32_t *first, *count, *weights;
  std::size_t target, taps;
};

struct DeviceAxis {
  explicit DeviceAxis(const ResizeAxis& axis)
      : first(axis.first.data(), axis.first.size()),
        count(axis.count.data(), axis.count.size()),
        weights(axis.weights.data(), axis.weights.size()),
        taps(axis.taps) {}

  AxisView view() const {
    return {first.data(), count.data(), weights.data(), first.count(), taps};
  }

  DeviceBuffer<std::int32_t> first, count, weights;
  std::size_t taps;
};

// Resamples the middle axis of [outer, source, inner] to [outer, axis.target, inner]; one thread
// per output value. Columns are (height, width, 3), rows are (1, height, width * 3).
__global__ void resize_axis_kernel(const std::uint8_t* source, AxisView axis, std::size_t outer,
                                   std::size_t source_size, std::size_t inner,
                                   std::uint8_t* target) {
  const std::size_t index = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= outer * axis.target * inner) return;
  const std::size_t i = index % inner;
  const std::size_t o = index / inner % axis.target;
  const std::size_t slice = index / inner / axis.target;

  const std::int32_t* weight = axis.weights + o * axis.taps;
  const std::uint8_t* pixel = source + (slice * source_size + axis.first[o]) * inner + i;
  std::int32_t sum = 0;
  for (std::int32_t t = 0; t < axis.count[o]; ++t) sum += weight[t] * pixel[t * inner];
  target[index] = round_to_pixel(sum);
}

// [pixels, 3] to [3, pixels] by the table [3, 256]; one thread per output value.
__global__ void normalise_kernel(const std::uint8_t* frame, const float* table, std::size_t pixels,
                                 float* planes) {
  const std::size_t index = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= pixels * kChannels) return;
  const std::size_t c = index / pixels, i = index % pixels;
  planes[index] = table[c * 256 + frame[i * kChannels + c]];
}

// An axis that keeps its size has weights 1 and 0, so equal sizes copy here too.
DeviceBuffer<std::uint8_t> resize_on_device(const std::uint8_t* frame, FrameSize source,
                                            FrameSize target) {
  const DeviceAxis columns{ResizeAxis(source.width, target.width)};
  const DeviceAxis rows{ResizeAxis(source.height, target.height)};
  const DeviceBuffer<std::uint8_t> input(frame, source.height * source.width * kChannels);
  const DeviceBuffer<std::uint8_t> narrowed(source.height * target.width * kChannels);
  DeviceBuffer<std::uint8_t> resized(target.height * target.width * kChannels);
  check(launch(resize_axis_kernel, {blocks_for(narrowed.count()), kThreads}, nullptr, input.data(),
               columns.view(), source.height, source.width, kChannels, narrowed.data()),
        "launch resize of columns");
  check(
      launch(resize_axis_kernel, {blocks_for(resized.count()), kThreads}, nullptr, narrowed.data(),
             rows.view(), 1, source.height, target.width * kChannels, resized.data()),
      "launch resize of rows");
  return resized;  // cudaFree of the rest waits for the kernels
}

}  // namespace

void resize_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                  std::uint8_t* resized) {
  const DeviceBuffer<std::uint8_t> device_resized = resize_on_device(frame, source, target);
  device_resized.download(resized, device_resized.count());
}

void preprocess_frame(const std::uint8_t* frame, FrameSize source, FrameSize target,
                      const PixelTable& table, float* planes) {
  const DeviceBuffer<std::uint8_t> resized = resize_on_device(frame, source, target);
  const DeviceBuffer<float> device_table(table[0].data(), kChannels * table[0].size());
  const DeviceBuffer<float> device_planes(resized.count());
  check(launch(normalise_kernel, {blocks_for(resized.count()), kThreads}, nullptr, resized.data(),
               device_table.data(), target.height * target.width, device_planes.data()),
        "launch normalise");
  device_planes.download(planes, device_planes.count());
}

}  // namespace lapa_edge::cuda
