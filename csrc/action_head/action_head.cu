#include <algorithm>
#include <stdexcept>

#include "action_head/action_head.hpp"
#include "base/finite.hpp"
#include "cuda/device_buffer.cuh"

namespace lapa_edge::cuda {
namespace {

constexpr std::size_t kMaxSharedFloats = 48 * 1024 / sizeof(float);  // what every GPU grants
constexpr unsigned kMaxThreads = 512;
constexpr std::size_t kPanel = 32;  // neighbouring threads read neighbouring weights

// Where one layer lies in the two device arrays that hold all weights and all biases.
struct Layer {
  std::size_t inputs, outputs, weight, bias;
};

// W[o] . x + b[o], in the order that dense.hpp defines; x is filled up with zeros.
__device__ float dense(const Layer& layer, const float* weights, const float* biases,
                       const float* x, std::size_t o) {
  const float* column = weights + layer.weight + o / kPanel * layer.inputs * kPanel + o % kPanel;
  float sum[kPhases] = {};
  for (std::size_t i = 0; i < layer.inputs; i += kPhases) {
#pragma unroll
    for (unsigned phase = 0; phase < kPhases; ++phase) {
      sum[phase] = __fmaf_rn(column[(i + phase) * kPanel], x[i + phase], sum[phase]);
    }
  }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + biases[layer.bias + o];
}

// Lets NaN through, as on the CPU: an overflow must reach the output.
__device__ float relu(float value) {
  return value < 0.0f ? 0.0f : value;
}

// One block per row of the batch, one thread per output, the whole network in one launch.
// Shared memory: x [input], h [width], relu(W_up h + b_up) [width].
__global__ void action_head_kernel(const Layer* layers, std::size_t layer_count,
                                   const float* weights, const float* biases, const float* x,
                                   float* y) {
  extern __shared__ float shared[];
  const Layer& first = layers[0];
  const Layer& last = layers[layer_count - 1];
  float* const in = shared;
  float* const hidden = in + first.inputs;
  float* const raised = hidden + first.outputs;

  const float* const x_row = x + blockIdx.x * first.inputs;
  for (std::size_t i = threadIdx.x; i < first.inputs; i += blockDim.x) in[i] = x_row[i];
  __syncthreads();
  for (std::size_t o = threadIdx.x; o < first.outputs; o += blockDim.x) {
    hidden[o] = relu(dense(first, weights, biases, in, o));
  }
  __syncthreads();

  for (std::size_t l = 1; l + 1 < layer_count; l += 2) {
    for (std::size_t o = threadIdx.x; o < layers[l].outputs; o += blockDim.x) {
      raised[o] = relu(dense(layers[l], weights, biases, hidden, o));
    }
    __syncthreads();
    for (std::size_t o = threadIdx.x; o < layers[l + 1].outputs; o += blockDim.x) {
      hidden[o] += dense(layers[l + 1], weights, biases, raised, o);
    }
    __syncthreads();
  }

  float* const y_row = y + blockIdx.x * last.outputs;
  for (std::size_t o = threadIdx.x; o < last.outputs; o += blockDim.x) {
    y_row[o] = dense(last, weights, biases, hidden, o);
  }
}

}  // namespace

struct ActionHead::Device {
  HeadShape shape;
  std::size_t layer_count;
  unsigned threads;
  DeviceBuffer<Layer> layers;
  DeviceBuffer<float> weights, biases, x, y;
};

ActionHead::ActionHead(const HeadShape& shape, const HeadWeights& weights)
    : device_(std::make_unique<Device>()) {
  if (shape.input + 2 * shape.width > kMaxSharedFloats) {
    throw std::invalid_argument(
        "weights: expected input + 2 * width of at most " + std::to_string(kMaxSharedFloats) +
        " on CUDA, got " + std::to_string(shape.input + 2 * shape.width) + "; pass device=\"cpu\"");
  }
  std::vector<Layer> layers;
  std::vector<float> all_weights, all_biases;
  for (const PackedDense& layer : pack_layers(shape, weights)) {
    layers.push_back({layer.inputs, layer.outputs, all_weights.size(), all_biases.size()});
    all_weights.insert(all_weights.end(), layer.weight.begin(), layer.weight.end());
    all_biases.insert(all_biases.end(), layer.bias.begin(), layer.bias.end());
  }
  device_->shape = shape;
  device_->layer_count = layers.size();
  const std::size_t widest = std::max(shape.width, shape.output);
  device_->threads =
      static_cast<unsigned>(std::min<std::size_t>((widest + 31) / 32 * 32, kMaxThreads));
  device_->layers = DeviceBuffer<Layer>(layers.data(), layers.size());
  device_->weights = DeviceBuffer<float>(all_weights.data(), all_weights.size());
  device_->biases = DeviceBuffer<float>(all_biases.data(), all_biases.size());
  device_->x = DeviceBuffer<float>(shape.input);
  device_->y = DeviceBuffer<float>(shape.output);
}

ActionHead::ActionHead(ActionHead&&) noexcept = default;
ActionHead::~ActionHead() = default;

HeadResult ActionHead::forward(const float* x, float* y, std::size_t b) {
  Device& device = *device_;
  const std::size_t inputs = b * device.shape.input, outputs = b * device.shape.output;
  const std::size_t bad_input = first_non_finite(x, inputs);
  if (bad_input < inputs) return {HeadStatus::input_not_finite, bad_input};
  if (b == 0) return {HeadStatus::ok, 0};

  if (device.x.count() < inputs) device.x = DeviceBuffer<float>(inputs);
  if (device.y.count() < outputs) device.y = DeviceBuffer<float>(outputs);
  device.x.upload(x, inputs);
  const std::size_t shared = (device.shape.input + 2 * device.shape.width) * sizeof(float);
  action_head_kernel<<<static_cast<unsigned>(b), device.threads, shared>>>(
      device.layers.data(), device.layer_count, device.weights.data(), device.biases.data(),
      device.x.data(), device.y.data());
  check(cudaGetLastError(), "launch action_head");
  device.y.download(y, outputs);

  const std::size_t bad_output = first_non_finite(y, outputs);
  if (bad_output < outputs) return {HeadStatus::output_not_finite, bad_output};
  return {HeadStatus::ok, 0};
}

}  // namespace lapa_edge::cuda
