// Runs a CUDA grid on one CPU thread: a fiber per GPU thread, resumed in random order.
//
// What a wrong kernel would do on a GPU now and then shows here at once: threads that wait for each
// other run in another order each time, fresh shared memory holds NaNs, and a barrier that some
// thread never reaches ends the program with a message.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace emulated {

struct Thread;

/// Threads that wait for each other; also collects a vote of all.
struct Barrier {
  std::size_t expected = 0;
  std::vector<Thread*> waiting;
  bool all = true, any = false;             // of the votes so far
  bool last_all = false, last_any = false;  // of the round that ended

  void wait(bool vote = true);
};

struct Warp {
  Barrier barrier;
  std::uint64_t values[32] = {};
};

struct Cluster;

struct Block {
  unsigned index = 0;
  Barrier barrier;
  std::vector<Warp> warps;
  std::vector<unsigned char> shared;
  Cluster* cluster = nullptr;
};

/// Blocks that run at once: a cluster, a whole cooperative grid, or one block.
struct Cluster {
  Barrier barrier;
  std::vector<std::unique_ptr<Block>> blocks;
};

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
};

struct Thread {
  unsigned index = 0;
  Block* block = nullptr;
  Warp* warp = nullptr;
  std::vector<std::vector<Copy>> copies{{}};  // groups of asynchronous copies, not done yet
  ucontext_t context{};
};

/// The one that runs.
Thread& thread();
unsigned grid_size();
unsigned block_size();

struct Grid {
  unsigned blocks, threads;
  unsigned at_once;  // blocks, a divisor of all
  std::size_t shared_bytes;
};

void run_grid(const Grid& grid, const std::function<void()>& kernel);

}  // namespace emulated
