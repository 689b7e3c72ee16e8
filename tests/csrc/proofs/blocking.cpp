// Built with -fsanitize=realtime, which aborts where a [[clang::nonblocking]] function reaches an
// allocation, a lock, a sleep or another call that may block.
#include <unistd.h>

#include "proofs/rig.hpp"

namespace {

volatile bool breaks = false;

void step() noexcept LAPA_EDGE_NONBLOCKING {
  if (breaks) usleep(1);
}

}  // namespace

int main(int count, char** arguments) {
  breaks = rig::asked_to_break(count, arguments);
  rig::ControlCycle cycle(rig::build_controller());
  if (!rig::run_ticks(cycle, step)) return 3;

  rig::ControlLoop loop(rig::build_controller(), rig::options());
  if (!loop.start().empty()) return 4;
  rig::feed_thread(loop);
  loop.stop();
  return rig::met_all(loop.cycle()) ? 0 : 5;
}
