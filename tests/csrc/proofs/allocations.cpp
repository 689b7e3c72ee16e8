// Counts every allocation of the process while ticks run: the override sees malloc, new and free,
// from whichever library.
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "proofs/rig.hpp"

namespace {

std::atomic<bool> counting{false};
std::atomic<long> calls{0};
void* volatile kept;  // or the compiler would drop an allocation that nobody uses

void note() {
  if (counting) ++calls;
}

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) {
  note();
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  note();
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  note();
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  note();
  *memory = __libc_memalign(alignment, bytes);
  return 0;
}
void free(void* memory) {
  note();
  __libc_free(memory);
}

}  // extern "C"

int main(int count, char** arguments) {
  const bool breaks = rig::asked_to_break(count, arguments);
  rig::ControlCycle cycle(rig::build_controller());
  counting = true;
  const bool met = rig::run_ticks(cycle, [breaks] {
    if (breaks) std::free(kept = std::malloc(8));
  });
  counting = false;
  if (!met) return 3;

  rig::ControlLoop loop(rig::build_controller(), rig::options());
  if (!loop.start().empty()) return 4;
  counting = true;
  rig::feed_thread(loop);
  counting = false;
  loop.stop();
  if (!rig::met_all(loop.cycle())) return 5;
  std::printf("%ld allocations\n", calls.load());
  return calls == 0 ? 0 : 1;
}
