// Clusters and grids, as fibers.hpp runs them.
#pragma once

#include <cstddef>

#include "fibers.hpp"

namespace cooperative_groups {

struct cluster_group {
  unsigned block_rank() const {
    const emulated::Block& block = *emulated::thread().block;
    return block.index % block.cluster->blocks.size();
  }
  unsigned num_blocks() const { return emulated::thread().block->cluster->blocks.size(); }
  void sync() const { emulated::thread().block->cluster->barrier.wait(); }
  template <typename T>
  T* map_shared_rank(T* own, unsigned rank) const {
    emulated::Block& block = *emulated::thread().block;
    const std::ptrdiff_t offset = reinterpret_cast<unsigned char*>(own) - block.shared.data();
    return reinterpret_cast<T*>(block.cluster->blocks.at(rank)->shared.data() + offset);
  }
};

struct grid_group {
  void sync() const { emulated::thread().block->cluster->barrier.wait(); }
};

inline cluster_group this_cluster() {
  return {};
}
inline grid_group this_grid() {
  return {};
}

}  // namespace cooperative_groups
