// One pass of the action head by a team of blocks, in the order of additions of dense.hpp.
#pragma once

#include <cuda_pipeline.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "action_head/team.cuh"
#include "action_head/team_plan.hpp"

namespace lapa_edge::cuda {

constexpr unsigned kWarp = 32;

// Lets NaN through, as on the CPU: an overflow must reach the output.
__device__ inline float relu(float value) {
  return value < 0.0f ? 0.0f : value;
}

/// Copies a member's slice to shared memory in the background, one group of copies per stage.
__device__ inline void stage_weights(const TeamPlan& plan, const float* slice, float* staged) {
  std::size_t begin = 0;
  for (std::uint32_t stage = 0; stage < plan.stages(); ++stage) {
    const std::size_t end = begin + plan.stage_floats(stage);
    for (std::size_t i = begin + threadIdx.x * kReach; i < end; i += kTeamThreads * kReach) {
      __pipeline_memcpy_async(staged + i, slice + i, kReach * sizeof(float));
    }
    __pipeline_commit();
    begin = end;
  }
}

/// Waits for this thread's share of the copies of a stage; the others' arrive at the next sync.
__device__ inline void await_weights(const TeamPlan& plan, std::uint32_t stage) {
  __pipeline_wait_prior(plan.stages() - 1 - stage);
}

/// The same for four neighbouring threads: W[o] . x + b[o] of row o = lane / 4 of a tile.
__device__ inline float dense(const TeamLayer& layer, const float* share, std::uint32_t local_tile,
                              const float* x) {
  const unsigned lane = threadIdx.x % kWarp, row = lane / kPhases, phase = lane % kPhases;
  const float4* weight =
      reinterpret_cast<const float4*>(share + local_tile * layer.tile_floats()) + lane;
  const float4* column = reinterpret_cast<const float4*>(x) + phase;
  const std::uint32_t chunks = chunks_of(layer.inputs);

  float sum = 0.0f;
#pragma unroll 8
  for (std::uint32_t c = 0; c < chunks; ++c) {
    const float4 w = weight[c * kWarp], v = column[c * kPhases];
    sum = __fmaf_rn(w.x, v.x, sum);
    sum = __fmaf_rn(w.y, v.y, sum);
    sum = __fmaf_rn(w.z, v.z, sum);
    sum = __fmaf_rn(w.w, v.w, sum);
  }
  sum += __shfl_xor_sync(0xffffffffu, sum, 1);  // s0 + s1, s2 + s3
  sum += __shfl_xor_sync(0xffffffffu, sum, 2);
  return sum + share[layer.bias_at() + local_tile * kTile + row];
}

/// Calls finish(local_tile, o) in the four threads of each output that this member computes; whole
/// warps at a time, so `o` may lie beyond the outputs.
template <typename Finish>
__device__ void each_output(const TeamLayer& layer, std::uint32_t members, std::uint32_t member,
                            const Finish& finish) {
  const std::uint32_t tiles = whole(layer.outputs, kTile);
  for (std::uint32_t local = threadIdx.x / kWarp;; local += kTeamThreads / kWarp) {
    const std::uint32_t tile = local * members + member;
    if (tile >= tiles) return;
    finish(local, tile * kTile + threadIdx.x % kWarp / kPhases);
  }
}

/// y from the published x; `answer(o, y)` is called once per output, by the member that has it.
/// The team must have synced since x was published, with the weights of stage 0 awaited before.
template <typename Team, typename Answer>
__device__ void run_pass(const TeamPlan& plan, const Team& team, const float* slice,
                         const Answer& answer) {
  const float* const x = team.vectors + plan.x_at();
  float* const h = team.vectors + plan.h_at();
  float* const r = team.vectors + plan.r_at();
  const std::uint32_t width = plan.first.outputs, member = team.rank();
  const unsigned phase = threadIdx.x % kPhases;
  const auto each = [&](const TeamLayer& layer, const auto& finish) {
    each_output(layer, plan.members, member, finish);
  };
  const auto publish = [&](std::uint32_t vector, std::uint32_t o, float value) {
    if (o < width) team.publish(vector + slot_of(o), value, phase, kPhases);
  };
  std::uint32_t stage = 0;
  const auto next_stage = [&] {
    slice += plan.stage_floats(stage);
    await_weights(plan, ++stage);
    team.sync();
  };

  each(plan.first, [&](std::uint32_t tile, std::uint32_t o) {
    publish(plan.h_at(), o, relu(dense(plan.first, slice, tile, x)));
  });
  next_stage();

  for (std::uint32_t block = 0; block < plan.blocks; ++block) {
    team.gather(plan.h_at(), plan.hidden_floats());
    each(plan.square, [&](std::uint32_t tile, std::uint32_t o) {
      const float raised = dense(plan.square, slice, tile, h);
      const float* const gate = slice + plan.square.floats();
      publish(plan.r_at(), o,
              plan.gated ? raised * relu(dense(plan.square, gate, tile, h)) : relu(raised));
    });
    next_stage();

    team.gather(plan.r_at(), plan.hidden_floats());
    each(plan.square, [&](std::uint32_t tile, std::uint32_t o) {
      const float before = o < width ? h[slot_of(o)] : 0.0f;
      const float sum = before + dense(plan.square, slice, tile, r);
      __syncwarp();  // all four have read h before the first of them replaces it
      publish(plan.h_at(), o, sum);
    });
    next_stage();
  }

  team.gather(plan.h_at(), plan.hidden_floats());
  each(plan.last, [&](std::uint32_t tile, std::uint32_t o) {
    const float value = dense(plan.last, slice, tile, h);
    if (phase == 0 && o < plan.last.outputs) answer(o, value);
  });
}

}  // namespace lapa_edge::cuda
