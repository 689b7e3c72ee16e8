#include "action_head/team_plan.hpp"

namespace lapa_edge::cuda {
namespace {

// One member's share of a layer to `share`, which holds zeros.
void pack_layer(const TeamLayer& layer, std::uint32_t members, std::uint32_t member,
                const DenseWeights& dense, float* share) {
  for (std::uint32_t local = 0; local < layer.tiles; ++local) {
    float* const tile = share + local * layer.tile_floats();
    for (std::uint32_t row = 0; row < kTile; ++row) {
      const std::uint32_t o = (local * members + member) * kTile + row;
      if (o >= layer.outputs) continue;
      share[layer.bias_at() + local * kTile + row] = dense.bias[o];
      for (std::uint32_t i = 0; i < chunks_of(layer.inputs) * kChunk; ++i) {
        // Beyond the zeros that dense.hpp fills up with, -0: times the activations' 0 it adds
        // nothing, not even to a sum of -0.
        const float filler = i < padded_inputs(layer.inputs) ? 0.0f : -0.0f;
        tile[std::size_t{i / kChunk} * kTileChunk + row * kChunk + slot_of(i % kChunk)] =
            i < layer.inputs ? dense.weight[std::size_t{o} * layer.inputs + i] : filler;
      }
    }
  }
}

}  // namespace

TeamPlan plan_team(const HeadShape& shape, std::uint32_t members) noexcept {
  const auto layer = [&](std::size_t inputs, std::size_t outputs) -> TeamLayer {
    const auto rows = static_cast<std::uint32_t>(outputs);
    return {static_cast<std::uint32_t>(inputs), rows, whole(whole(rows, kTile), members)};
  };
  return {layer(shape.input, shape.width),
          layer(shape.width, shape.width),
          layer(shape.width, shape.output),
          static_cast<std::uint32_t>(shape.blocks),
          shape.gated,
          members};
}

std::vector<float> pack_for_team(const TeamPlan& plan, const HeadWeights& weights) {
  std::vector<float> slices(plan.members * plan.slice_floats());
  for (std::uint32_t member = 0; member < plan.members; ++member) {
    float* share = slices.data() + member * plan.slice_floats();
    const auto pack = [&](const TeamLayer& layer, const DenseWeights& dense) {
      pack_layer(layer, plan.members, member, dense, share);
      share += layer.floats();
    };
    pack(plan.first, weights.input);
    for (std::uint32_t block = 0; block < plan.blocks; ++block) {
      pack(plan.square, weights.up[block]);
      if (plan.gated) pack(plan.square, weights.gate[block]);
      pack(plan.square, weights.down[block]);
    }
    pack(plan.last, weights.output);
  }
  return slices;
}

}  // namespace lapa_edge::cuda
