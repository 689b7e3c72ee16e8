// Resize, normalisation and split into planes in one kernel: a thread per pixel of the result, all
// three channels, nothing kept in between.
//
// Rows come before columns, so a thread blends its rows once for each of its columns. Neighbours
// repeat some of that; it is less work than a pass through memory.
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
  const std::int32_t *first, *count, *weights;
  std::uint32_t taps, outputs;
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

template <typename Source, typename Sink>
__global__ void __launch_bounds__(kPixelThreads)
    preprocess_kernel(Source source, AxisOnDevice rows, AxisOnDevice columns, Sink sink) {
  const std::uint32_t index = blockIdx.x * kPixelThreads + threadIdx.x;
  const std::uint32_t row = index / columns.outputs, column = index % columns.outputs;
  if (row >= rows.outputs) return;
  const std::int32_t* const row_weights = rows.weights + std::size_t{row} * rows.taps;
  const std::int32_t* const column_weights = columns.weights + std::size_t{column} * columns.taps;
  const std::int32_t first_row = rows.first[row], row_count = rows.count[row];
  const std::int32_t first_column = columns.first[column], column_count = columns.count[column];

  std::int32_t red = 0, green = 0, blue = 0;
  for (std::int32_t j = 0; j < column_count; ++j) {
    std::int32_t blend_red = 0, blend_green = 0, blend_blue = 0;
    for (std::int32_t i = 0; i < row_count; ++i) {
      const Rgb pixel = source(first_row + i, first_column + j);
      const std::int32_t weight = row_weights[i];
      blend_red += weight * pixel.red;
      blend_green += weight * pixel.green;
      blend_blue += weight * pixel.blue;
    }
    const std::int32_t weight = column_weights[j];
    red += weight * round_to_pixel(blend_red);
    green += weight * round_to_pixel(blend_green);
    blue += weight * round_to_pixel(blend_blue);
  }
  sink(index, {round_to_pixel(red), round_to_pixel(green), round_to_pixel(blue)});
}

}  // namespace lapa_edge::cuda
