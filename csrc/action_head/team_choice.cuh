// Which blocks serve a head on the GPU at hand, and with which kernel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "action_head/serve_kernels.cuh"
#include "action_head/team_plan.hpp"
#include "cuda/limits.cuh"
#include "cuda/stream.cuh"

namespace lapa_edge::cuda {

struct TeamChoice {
  void (*kernel)(Service, std::uint32_t);  // null: the GPU does not grant the launch
  TeamPlan plan;
  LaunchShape launch;
};

inline std::size_t team_bytes(const TeamPlan& plan, bool staged) {
  return ((staged ? plan.slice_floats() : 0) + plan.vector_floats()) * sizeof(float);
}

inline TeamChoice try_team(const TeamPlan& plan, bool cluster, bool staged) {
  const std::size_t shared = team_bytes(plan, staged), limit = shared_limit();
  LaunchShape shape{plan.members, kTeamThreads, shared};
  if (shared > limit) return {nullptr, plan, shape};
  if (cluster) {
    shape.cluster = plan.members;
    const auto kernel = staged ? serve_by_cluster_kernel<true> : serve_by_cluster_kernel<false>;
    prepare(kernel, limit);
    return {clusters_at_once(kernel, shape) > 0 ? kernel : nullptr, plan, shape};
  }
  shape.cooperative = true;
  const auto kernel = staged ? serve_by_grid_kernel<true> : serve_by_grid_kernel<false>;
  prepare(kernel, limit);
  const bool granted = blocks_at_once(kernel, shape) >= static_cast<int>(plan.members);
  return {granted ? kernel : nullptr, plan, shape};
}

/// The smallest team whose shared memory holds the weights: a cluster where the GPU has clusters,
/// else a grid. Where none does, weights are read through the second cache, unless `persistent`.
/// Throws std::invalid_argument where the head does not fit.
inline TeamChoice choose_team(const HeadShape& shape, bool persistent) {
  constexpr std::uint32_t kClusterMembers = 8;  // what every GPU with clusters grants
  const auto most = static_cast<std::uint32_t>(device_attribute(cudaDevAttrMultiProcessorCount));
  const bool clusters = device_attribute(cudaDevAttrClusterLaunch) != 0 &&
                        architecture_of(serve_by_cluster_kernel<true>) >= 90;
  const std::uint32_t tiles =
      whole(static_cast<std::uint32_t>(std::max(shape.width, shape.output)), kTile);
  std::uint32_t few = kClusterMembers;
  while (few > std::min(tiles, most)) few /= 2;  // more would have nothing to do

  TeamChoice team{};
  const auto try_next = [&](std::uint32_t members, bool cluster, bool staged) {
    if (team.kernel == nullptr) team = try_team(plan_team(shape, members), cluster, staged);
  };
  if (clusters) try_next(few, true, true);
  for (std::uint32_t members = few; members < std::min(most, tiles); members *= 2) {
    try_next(members, false, true);
  }
  try_next(std::min(most, tiles), false, true);
  if (persistent && team.kernel == nullptr) {
    throw std::invalid_argument("weights: expected what fits into the shared memory of " +
                                std::to_string(most) + " multiprocessors of " +
                                std::to_string(shared_limit()) + " bytes, got " +
                                std::to_string(team_bytes(team.plan, true)) +
                                " bytes for each; pass persistent=False, or train a smaller head");
  }
  if (clusters) try_next(few, true, false);
  try_next(few, false, false);
  if (team.kernel == nullptr) {
    throw std::invalid_argument(
        "weights: expected input + 2 * width of about " +
        std::to_string(shared_limit() / sizeof(float)) + " at most on CUDA, got " +
        std::to_string(shape.input + 2 * shape.width) + "; pass device=\"cpu\"");
  }
  return team;
}

}  // namespace lapa_edge::cuda
