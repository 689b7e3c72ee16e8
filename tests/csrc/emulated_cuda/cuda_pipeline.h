// Asynchronous copies: done no earlier than somebody waits for them.
#pragma once

#include <cstddef>
#include <cstring>

#include "fibers.hpp"

inline void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes) {
  emulated::thread().copies.back().push_back({to, from, bytes});
}

inline void __pipeline_commit() {
  emulated::thread().copies.emplace_back();
}

inline void __pipeline_wait_prior(std::size_t prior) {
  auto& groups = emulated::thread().copies;  // the last one is open
  while (groups.size() > prior + 1) {
    for (const emulated::Copy& copy : groups.front()) std::memcpy(copy.to, copy.from, copy.bytes);
    groups.erase(groups.begin());
  }
}
