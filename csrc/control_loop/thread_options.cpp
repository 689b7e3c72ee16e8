#include "control_loop/thread_options.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace lapa_edge {
namespace {

std::string limit_of(__rlimit_resource resource) {
  rlimit limit{};
  getrlimit(resource, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur);
}

std::string pin(int cpu) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed)) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (pthread_setaffinity_np(pthread_self(), sizeof only, &only) == 0) return "";
  }
  std::string usable;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) usable += (usable.empty() ? "" : ", ") + std::to_string(i);
  }
  return "cpu: expected one that this process may use (" + usable + "), got " + std::to_string(cpu);
}

std::string schedule_fifo(int priority) {
  sched_param param{};
  param.sched_priority = priority;
  const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
  if (error == 0) return "";
  return "priority: expected leave to run as SCHED_FIFO " + std::to_string(priority) + ", got \"" +
         std::strerror(error) + "\" at a limit of " + limit_of(RLIMIT_RTPRIO) +
         "; raise it (ulimit -r, rtprio in /etc/security/limits.conf), give CAP_SYS_NICE, or pass "
         "priority=0";
}

std::string lock_pages() {
  // Not MCL_FUTURE: it would make later allocations of the whole process fail at the limit.
  if (mlockall(MCL_CURRENT) == 0) return "";
  return "lock_memory: expected leave to lock this process's memory, got \"" +
         std::string(std::strerror(errno)) + "\" at a limit of " + limit_of(RLIMIT_MEMLOCK) +
         " bytes; raise it (ulimit -l unlimited, memlock in /etc/security/limits.conf), give "
         "CAP_IPC_LOCK, or pass lock_memory=False";
}

// Pages of the stack are made at their first use; that must not be a control tick's.
void touch_stack() {
  char stack[64 * 1024];
  std::memset(stack, 0, sizeof stack);
  asm volatile("" : : "r"(stack) : "memory");  // or the compiler would see that nobody reads it
}

}  // namespace

std::string apply_to_this_thread(const ThreadOptions& options) {
  std::string refused;
  if (options.cpu && !(refused = pin(*options.cpu)).empty()) return refused;
  if (options.priority > 0 && !(refused = schedule_fifo(options.priority)).empty()) return refused;
  // The ordinary scheduler lets timers slip by 50 us to save wake-ups.
  prctl(PR_SET_TIMERSLACK, 1);
  touch_stack();
  if (options.lock_memory && !(refused = lock_pages()).empty()) return refused;
  return "";
}

}  // namespace lapa_edge
