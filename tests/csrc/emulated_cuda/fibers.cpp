#include "fibers.hpp"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

namespace emulated {
namespace {

constexpr std::size_t kStack = 64 * 1024;

struct Scheduler {
  std::vector<Thread*> ready;
  Thread* current = nullptr;
  ucontext_t home{};
  Grid grid{};
  const std::function<void()>* kernel = nullptr;
  std::size_t running = 0;
  std::mt19937 random{1};
};

thread_local Scheduler scheduler;

void enter() {
  (*scheduler.kernel)();
  --scheduler.running;
  // Falls back to `home`, by uc_link.
}

void switch_home() {
  Thread* const self = scheduler.current;
  swapcontext(&self->context, &scheduler.home);
}

// Stacks of one group, taken from the system once.
class Stacks {
 public:
  explicit Stacks(std::size_t count) : bytes_(count * kStack) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) std::abort();
  }
  ~Stacks() { munmap(memory_, bytes_); }
  void* at(std::size_t index) const { return static_cast<char*>(memory_) + index * kStack; }

 private:
  std::size_t bytes_;
  void* memory_;
};

void start(Thread& thread, void* stack) {
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = stack;
  thread.context.uc_stack.ss_size = kStack;
  thread.context.uc_link = &scheduler.home;
  makecontext(&thread.context, enter, 0);
  scheduler.ready.push_back(&thread);
  ++scheduler.running;
}

void run_until_done() {
  std::size_t turns = 0;
  while (scheduler.running > 0) {
    if (scheduler.ready.empty()) {
      std::fprintf(stderr, "emulated CUDA: %zu threads wait at a barrier that others have left\n",
                   scheduler.running);
      std::abort();
    }
    const std::size_t pick = scheduler.random() % scheduler.ready.size();
    std::swap(scheduler.ready[pick], scheduler.ready.back());
    scheduler.current = scheduler.ready.back();
    scheduler.ready.pop_back();
    swapcontext(&scheduler.home, &scheduler.current->context);
    if (++turns % 4096 == 0) std::this_thread::yield();  // a kernel may wait for the CPU
  }
}

std::unique_ptr<Block> make_block(const Grid& grid, unsigned index, Cluster& cluster) {
  auto block = std::make_unique<Block>();
  block->index = index;
  block->cluster = &cluster;
  block->barrier.expected = grid.threads;
  block->shared.assign(grid.shared_bytes, 0xff);  // NaNs
  block->warps.resize((grid.threads + 31) / 32);
  for (std::size_t w = 0; w < block->warps.size(); ++w) {
    block->warps[w].barrier.expected = std::min<std::size_t>(32, grid.threads - w * 32);
  }
  return block;
}

}  // namespace

void Barrier::wait(bool vote) {
  all = all && vote;
  any = any || vote;
  if (waiting.size() + 1 < expected) {
    waiting.push_back(scheduler.current);
    switch_home();
    return;
  }
  last_all = all;
  last_any = any;
  all = true;
  any = false;
  for (Thread* other : waiting) scheduler.ready.push_back(other);
  waiting.clear();
  scheduler.ready.push_back(scheduler.current);  // the last to come is not the first to go
  switch_home();
}

Thread& thread() {
  return *scheduler.current;
}
unsigned grid_size() {
  return scheduler.grid.blocks;
}
unsigned block_size() {
  return scheduler.grid.threads;
}

void run_grid(const Grid& grid, const std::function<void()>& kernel) {
  scheduler.grid = grid;
  scheduler.kernel = &kernel;
  const std::size_t count = std::size_t{grid.at_once} * grid.threads;
  const Stacks stacks(count);
  for (unsigned first = 0; first < grid.blocks; first += grid.at_once) {
    Cluster cluster;
    cluster.barrier.expected = count;
    std::vector<Thread> threads(count);
    for (unsigned member = 0; member < grid.at_once; ++member) {
      cluster.blocks.push_back(make_block(grid, first + member, cluster));
      Block& block = *cluster.blocks.back();
      for (unsigned t = 0; t < grid.threads; ++t) {
        const std::size_t place = std::size_t{member} * grid.threads + t;
        threads[place].index = t;
        threads[place].block = &block;
        threads[place].warp = &block.warps[t / 32];
        start(threads[place], stacks.at(place));
      }
    }
    run_until_done();
  }
}

}  // namespace emulated
