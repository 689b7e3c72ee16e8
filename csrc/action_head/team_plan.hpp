// How blocks of the GPU share one pass of the action head: who computes what, from which weights.
//
// Four neighbouring threads compute one output, one phase of dense.hpp each, and a warp a tile of
// eight. The tiles of a layer go round the members of the team. A member's weights are one slice of
// memory, in the order they are used:
//
//   slice  = stages;  stage = layers between two waits of the team: input; up (and gate), down of
//            each block; output
//   layer  = tiles, then the tiles' biases [tiles, 8]
//   tile   = [chunks, 32 lanes, 4]: lane 4 o + f reads columns 16 c + 4 q + f, q = 0 .. 3, in one
//            access of 16 bytes
//
// Vectors of activations lie in the same order: value 16 c + 4 q + f in slot 16 c + 4 f + q.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "action_head/action_head.hpp"
#include "base/host_device.hpp"

namespace lapa_edge::cuda {

constexpr std::uint32_t kTile = 8;                    // outputs of a warp
constexpr std::uint32_t kReach = 4;                   // columns of one access, in one phase
constexpr std::uint32_t kChunk = kReach * kPhases;    // columns of one access of all phases
constexpr std::uint32_t kTileChunk = kTile * kChunk;  // floats a warp reads at once
constexpr std::uint32_t kTeamThreads = 256;           // of one member

LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t whole(std::uint32_t count, std::uint32_t size) {
  return (count + size - 1) / size;
}

LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t chunks_of(std::uint32_t columns) {
  return whole(columns, kChunk);
}

/// Where value `i` of a vector lies.
LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t slot_of(std::uint32_t i) {
  return i / kChunk * kChunk + i % kPhases * kReach + i % kChunk / kPhases;
}

/// One layer, as the members share it.
struct TeamLayer {
  std::uint32_t inputs, outputs;
  std::uint32_t tiles;  // of one member; the last members may have one fewer

  /// Of one tile, without its biases.
  LAPA_EDGE_HOST_DEVICE constexpr std::size_t tile_floats() const {
    return std::size_t{chunks_of(inputs)} * kTileChunk;
  }
  /// Where a member's biases begin in its share.
  LAPA_EDGE_HOST_DEVICE constexpr std::size_t bias_at() const { return tiles * tile_floats(); }
  /// A member's share.
  LAPA_EDGE_HOST_DEVICE constexpr std::size_t floats() const { return bias_at() + tiles * kTile; }
};

/// The sizes of a head and of the team that runs it.
struct TeamPlan {
  TeamLayer first, square, last;  // square: up, gate and down of every block
  std::uint32_t blocks;
  bool gated;
  std::uint32_t members;

  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t stages() const { return 2 + 2 * blocks; }
  LAPA_EDGE_HOST_DEVICE constexpr std::size_t stage_floats(std::uint32_t stage) const {
    if (stage == 0) return first.floats();
    if (stage == stages() - 1) return last.floats();
    const bool raises = stage % 2 == 1;
    return raises && gated ? 2 * square.floats() : square.floats();
  }
  LAPA_EDGE_HOST_DEVICE constexpr std::size_t slice_floats() const {
    return first.floats() + blocks * (gated ? 3 : 2) * square.floats() + last.floats();
  }

  // A member's vectors: x, h, r and the order that goes with x.
  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t x_at() const { return 0; }
  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t order_at() const {
    return chunks_of(first.inputs) * kChunk;
  }
  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t h_at() const { return order_at() + kReach; }
  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t r_at() const { return h_at() + hidden_floats(); }
  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t vector_floats() const {
    return r_at() + hidden_floats();
  }
  LAPA_EDGE_HOST_DEVICE constexpr std::uint32_t hidden_floats() const {
    return chunks_of(first.outputs) * kChunk;
  }
};

TeamPlan plan_team(const HeadShape& shape, std::uint32_t members) noexcept;

/// The slices of all members, [members, slice_floats].
std::vector<float> pack_for_team(const TeamPlan& plan, const HeadWeights& weights);

}  // namespace lapa_edge::cuda
