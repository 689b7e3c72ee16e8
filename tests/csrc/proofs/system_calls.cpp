// Ticks under seccomp's strict mode: the kernel kills the process at any system call but read,
// write, exit and sigreturn; reading the processor's clock is forbidden there too, so the time is
// simulated.
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "proofs/rig.hpp"

namespace {

[[noreturn]] void run_confined(bool breaks) {
  rig::ControlCycle cycle(rig::build_controller());
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(5);
  const bool met = rig::run_ticks(cycle, [breaks] {
    if (breaks) sched_yield();
  });
  // Not exit(): its exit_group is forbidden too.
  for (;;) syscall(SYS_exit, met ? 0 : 3);
}

}  // namespace

int main(int count, char** arguments) {
  const pid_t child = fork();
  if (child == 0) run_confined(rig::asked_to_break(count, arguments));
  int status = 0;
  if (waitpid(child, &status, 0) != child) return 6;
  if (WIFSIGNALED(status)) {
    std::printf("killed by signal %d\n", WTERMSIG(status));
    return 1;
  }
  std::printf("%zu ticks\n", rig::kTicks);
  return WEXITSTATUS(status);
}
