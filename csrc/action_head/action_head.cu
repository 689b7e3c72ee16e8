#include <memory>
#include <vector>

#include "action_head/cuda_action_head.hpp"
#include "action_head/head_server.hpp"
#include "action_head/team_pass.cuh"
#include "base/finite.hpp"
#include "cuda/device_buffer.cuh"
#include "cuda/dynamic_shared.cuh"
#include "cuda/limits.cuh"
#include "cuda/stream.cuh"

namespace lapa_edge::cuda {
namespace {

// One block per row: `x` [b, input] to `y` [b, output], by a plan of one member.
__global__ void __launch_bounds__(kTeamThreads, 1)
    rows_kernel(TeamPlan plan, const float* slice, const float* x, float* y) {
  const SoloTeam team(dynamic_shared_floats(), nullptr);
  for (std::uint32_t i = threadIdx.x; i < plan.vector_floats(); i += kTeamThreads) {
    team.vectors[i] = 0.0f;
  }
  __syncthreads();
  const float* const x_row = x + std::size_t{blockIdx.x} * plan.first.inputs;
  for (std::uint32_t i = threadIdx.x; i < plan.first.inputs; i += kTeamThreads) {
    team.vectors[plan.x_at() + slot_of(i)] = x_row[i];
  }
  __syncthreads();

  float* const y_row = y + std::size_t{blockIdx.x} * plan.last.outputs;
  run_pass(plan, team, slice, [&](std::uint32_t o, float value) { y_row[o] = value; });
}

// Many observations at once.
class Rows {
 public:
  Rows(const HeadShape& shape, const HeadWeights& weights) : plan_(plan_team(shape, 1)) {
    const std::vector<float> packed = pack_for_team(plan_, weights);
    slice_ = DeviceBuffer<float>(packed.data(), packed.size());
    prepare(rows_kernel, shared_limit());
  }

  void forward(const float* x, float* y, std::size_t b) {
    const std::size_t inputs = b * plan_.first.inputs, outputs = b * plan_.last.outputs;
    if (x_.count() < inputs) x_ = DeviceBuffer<float>(inputs);
    if (y_.count() < outputs) y_ = DeviceBuffer<float>(outputs);
    x_.upload(x, inputs);
    const LaunchShape shape{static_cast<unsigned>(b), kTeamThreads,
                            plan_.vector_floats() * sizeof(float)};
    check(launch(rows_kernel, shape, nullptr, plan_, slice_.data(), x_.data(), y_.data()),
          "launch action_head");
    y_.download(y, outputs);
  }

 private:
  TeamPlan plan_;
  DeviceBuffer<float> slice_, x_, y_;
};

}  // namespace

struct ActionHead::Device {
  Device(const HeadShape& shape, const HeadWeights& weights, const HeadServing& serving)
      : shape(shape), server(shape, weights, serving) {
    if (!serving.persistent) rows = std::make_unique<Rows>(shape, weights);
  }

  HeadShape shape;
  std::unique_ptr<Rows> rows;  // null in a persistent head
  HeadServer server;
};

ActionHead::ActionHead(const HeadShape& shape, const HeadWeights& weights,
                       const HeadServing& serving)
    : device_(std::make_unique<Device>(shape, weights, serving)) {}
ActionHead::ActionHead(ActionHead&&) noexcept = default;
ActionHead::~ActionHead() = default;

HeadResult ActionHead::step(const float* x, float* y) noexcept {
  return device_->server.step(x, y);
}

HeadResult ActionHead::forward(const float* x, float* y, std::size_t b) {
  const HeadShape& shape = device_->shape;
  if (device_->rows == nullptr || b == 1) {
    for (std::size_t row = 0; row < b; ++row) {
      HeadResult result = step(x + row * shape.input, y + row * shape.output);
      if (result.status == HeadStatus::input_not_finite) result.index += row * shape.input;
      if (result.status == HeadStatus::output_not_finite) result.index += row * shape.output;
      if (result.status != HeadStatus::ok) return result;
    }
    return {HeadStatus::ok, 0};
  }

  const std::size_t bad_input = first_non_finite(x, b * shape.input);
  if (bad_input < b * shape.input) return {HeadStatus::input_not_finite, bad_input};
  if (b > 0) device_->rows->forward(x, y, b);
  const std::size_t bad_output = first_non_finite(y, b * shape.output);
  if (bad_output < b * shape.output) return {HeadStatus::output_not_finite, bad_output};
  return {HeadStatus::ok, 0};
}

}  // namespace lapa_edge::cuda
