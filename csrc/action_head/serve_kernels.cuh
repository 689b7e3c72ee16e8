// The kernels that serve one observation at a time, by mailbox.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "action_head/team.cuh"
#include "action_head/team_pass.cuh"
#include "action_head/team_plan.hpp"
#include "cuda/dynamic_shared.cuh"
#include "cuda/mailbox.hpp"

namespace lapa_edge::cuda {

/// What a serving kernel works with. All memory is the device's or mapped.
struct Service {
  TeamPlan plan;
  const float* slices;  // [members, slice]
  float* exchange;      // [vectors], zeros at first
  Mailbox mailbox;
  std::uint32_t* answered;  // the number of the last exchange
  long long cycles;         // how long to stay for more; 0: one exchange
};

/// In the first member: waits for the request `number` and puts it into x. False: leave.
__device__ inline bool take_request(const Service& service, std::uint32_t number, long long begin,
                                    float* x) {
  while (true) {
    const bool decides = threadIdx.x == 0;
    const Word stop = decides ? read_word(service.mailbox.stop) : 0;  // in flight with the others
    bool arrived = true;
    for (std::uint32_t i = threadIdx.x; i < service.plan.first.inputs; i += kTeamThreads) {
      const Word word = read_word(service.mailbox.request + i);
      if (number_of(word) == number) {
        x[slot_of(i)] = value_of(word);
      } else {
        arrived = false;
      }
    }
    if (__syncthreads_and(arrived)) return true;
    const bool leave = decides && (stop != 0 || clock64() - begin > service.cycles);
    if (__syncthreads_or(leave)) return false;
  }
}

template <typename Team, bool kStaged>
__device__ void serve(const Service& service, std::uint32_t launch) {
  const TeamPlan& plan = service.plan;
  float* const memory = dynamic_shared_floats();  // the staged slice, then the vectors
  const Team team(memory + (kStaged ? plan.slice_floats() : 0), service.exchange);
  const float* slice = service.slices + team.rank() * plan.slice_floats();
  if (kStaged) {
    stage_weights(plan, slice, memory);
    slice = memory;
  }
  for (std::uint32_t i = threadIdx.x; i < plan.vector_floats(); i += kTeamThreads) {
    team.vectors[i] = 0.0f;
  }
  std::uint32_t number = *service.answered;
  const long long begin = clock64();
  team.sync();  // nobody publishes into a member that has not begun

  do {
    const std::uint32_t next = number + 1;
    if (team.rank() == 0) {
      float* const x = team.vectors + plan.x_at();
      const bool run = take_request(service, next, begin, x);
      for (std::uint32_t i = threadIdx.x; run && i < plan.first.inputs; i += kTeamThreads) {
        team.publish(plan.x_at() + slot_of(i), x[slot_of(i)], 0, 1);
      }
      if (threadIdx.x == 0) team.publish(plan.order_at(), run ? 1.0f : 0.0f, 0, 1);
    }
    await_weights(plan, 0);
    team.sync();
    team.gather(plan.x_at(), plan.order_at() + kReach - plan.x_at());
    if (team.vectors[plan.order_at()] == 0.0f) break;

    run_pass(plan, team, slice, [&](std::uint32_t o, float value) {
      write_word(service.mailbox.answer + o, word_of(value, next));
    });
    number = next;
  } while (service.cycles > 0);

  if (team.rank() == 0 && threadIdx.x == 0) {
    *service.answered = number;  // for the next launch, which waits for this one to end
    write_word(service.mailbox.left, launch);
  }
}

template <bool kStaged>
__global__ void __launch_bounds__(kTeamThreads, 1)
    serve_by_cluster_kernel(Service service, std::uint32_t launch) {
#if defined(LAPA_EDGE_CLUSTERS)
  serve<ClusterTeam, kStaged>(service, launch);
#endif
}

template <bool kStaged>
__global__ void __launch_bounds__(kTeamThreads, 1)
    serve_by_grid_kernel(Service service, std::uint32_t launch) {
  serve<GridTeam, kStaged>(service, launch);
}

}  // namespace lapa_edge::cuda
