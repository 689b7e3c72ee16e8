// Resize, normalisation and split into planes: a thread per pixel of the result, all three
// channels.
//
// The first halving is part of it, so a frame that shrinks less than fourfold takes one kernel, and
// nothing is kept in between. Neighbours repeat some of each other's blending; that is less work
// than a pass through memory. A frame that shrinks further is halved in memory before.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "preprocess/cuda_preprocessor.hpp"

namespace lapa_edge::cuda {

constexpr unsigned kPixelThreads = 128;

/// A ResizeAxis in the GPU's memory.
struct AxisOnDevice {
  const Taps* taps;
  std::uint32_t outputs;
};

// Sources: red, green and blue of the pixel at row y, column x.

struct InterleavedSource {
  DeviceFrame frame;
  std::uint32_t red_at, blue_at;  // in a pixel

  __device__ Rgb operator()(std::uint32_t y, std::uint32_t x) const {
    const std::uint8_t* const pixel = frame.pixels + y * frame.pitch + std::size_t{x} * kChannels;
    return {pixel[red_at], pixel[1], pixel[blue_at]};
  }
};

struct Nv12Source {
  DeviceFrame frame;
  YuvMatrix matrix;

  __device__ Rgb operator()(std::uint32_t y, std::uint32_t x) const {
    const std::uint8_t* const uv = frame.chroma + y / 2 * frame.pitch + x / 2 * 2;
    return yuv_to_rgb(matrix, frame.pixels[y * frame.pitch + x], uv[0], uv[1]);
  }
};

/// A source once halved, along either axis, both, or none.
template <typename Source>
struct HalvedSource {
  Source source;
  std::uint32_t height, width;  // before
  bool rows, columns;

  __device__ Rgb operator()(std::uint32_t y, std::uint32_t x) const {
    if (!rows && !columns) return source(y, x);
    const std::uint32_t top = rows ? 2 * y : y, left = columns ? 2 * x : x;
    const std::uint32_t bottom = rows && top + 1 < height ? top + 1 : top;
    const std::uint32_t right = columns && left + 1 < width ? left + 1 : left;
    return average(average(source(top, left), source(bottom, left), 1),
                   average(source(top, right), source(bottom, right), 1), 0);
  }

  __device__ static Rgb average(const Rgb& a, const Rgb& b, int half) {
    const auto of = [half](int p, int q) { return static_cast<std::uint8_t>((p + q + half) >> 1); };
    return {of(a.red, b.red), of(a.green, b.green), of(a.blue, b.blue)};
  }
};

// Sinks: what becomes of pixel `index` of the result.

__device__ inline void store_value(float value, float* to) {
  *to = value;
}
__device__ inline void store_value(float value, __half* to) {
  *to = __float2half_rn(value);
}

template <typename Value>
struct PlaneSink {
  Normalisation normalisation;
  std::uint32_t pixels;
  Value* planes;  // [3, pixels]

  __device__ void operator()(std::uint32_t index, const std::uint8_t (&pixel)[kChannels]) const {
#pragma unroll
    for (std::size_t c = 0; c < kChannels; ++c) {
      const float value =
          __fmaf_rn(static_cast<float>(pixel[c]), normalisation.scale[c], normalisation.offset[c]);
      store_value(value, planes + c * pixels + index);
    }
  }
};

struct PixelSink {
  std::uint8_t* resized;  // [pixels, 3]

  __device__ void operator()(std::uint32_t index, const std::uint8_t (&pixel)[kChannels]) const {
#pragma unroll
    for (std::size_t c = 0; c < kChannels; ++c) {
      resized[std::size_t{index} * kChannels + c] = pixel[c];
    }
  }
};

/// `halved` [height, width, 3] of a halved source.
template <typename Source>
__global__ void __launch_bounds__(kPixelThreads)
    halve_kernel(HalvedSource<Source> source, std::uint32_t height, std::uint32_t width,
                 std::uint8_t* halved) {
  const std::uint32_t index = blockIdx.x * kPixelThreads + threadIdx.x;
  if (index >= height * width) return;
  const Rgb pixel = source(index / width, index % width);
  std::uint8_t* const to = halved + std::size_t{index} * kChannels;
  to[0] = pixel.red;
  to[1] = pixel.green;
  to[2] = pixel.blue;
}

template <typename Source, typename Sink>
__global__ void __launch_bounds__(kPixelThreads)
    resample_kernel(HalvedSource<Source> source, AxisOnDevice rows, AxisOnDevice columns,
                    Sink sink) {
  const std::uint32_t index = blockIdx.x * kPixelThreads + threadIdx.x;
  const std::uint32_t y = index / columns.outputs, x = index % columns.outputs;
  if (y >= rows.outputs) return;
  const Taps row = rows.taps[y], column = columns.taps[x];

  std::int32_t red = 0, green = 0, blue = 0;
#pragma unroll
  for (std::size_t j = 0; j < kTaps; ++j) {
    if (column.weight[j] == 0) continue;
    std::int32_t blend_red = 0, blend_green = 0, blend_blue = 0;
#pragma unroll
    for (std::size_t i = 0; i < kTaps; ++i) {
      if (row.weight[i] == 0) continue;
      const Rgb pixel = source(row.first + row.offset[i], column.first + column.offset[j]);
      blend_red += row.weight[i] * pixel.red;
      blend_green += row.weight[i] * pixel.green;
      blend_blue += row.weight[i] * pixel.blue;
    }
    red += column.weight[j] * round_to_pixel(blend_red);
    green += column.weight[j] * round_to_pixel(blend_green);
    blue += column.weight[j] * round_to_pixel(blend_blue);
  }
  sink(index, {round_to_pixel(red), round_to_pixel(green), round_to_pixel(blue)});
}

}  // namespace lapa_edge::cuda
