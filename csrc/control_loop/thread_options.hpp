// What the loop asks of the operating system. Every "no" is an error before the loop starts.
#pragma once

#include <optional>
#include <string>

namespace lapa_edge {

struct ThreadOptions {
  int priority = 0;          // SCHED_FIFO, 1 to 99; 0 keeps the ordinary scheduler
  std::optional<int> cpu;    // the only one to run on
  bool lock_memory = false;  // mlockall: pages that exist now are never swapped out
};

/// Applies the options to the calling thread; memory is locked for the whole process, and stays
/// so. Also makes its timer exact and its stack present. Returns what was refused and what to do
/// about it; empty where everything was granted.
std::string apply_to_this_thread(const ThreadOptions& options);

}  // namespace lapa_edge
