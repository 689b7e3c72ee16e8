// The loop's time: CLOCK_MONOTONIC, which is Python's time.monotonic(), in nanoseconds.
#pragma once

#include <time.h>

#include <cstdint>

#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

inline std::int64_t now_ns() noexcept LAPA_EDGE_NONBLOCKING {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // no system call: answered in user space
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

/// The same rounding as Python's, so that times compare as they do there.
inline double seconds(std::int64_t ns) noexcept LAPA_EDGE_NONBLOCKING {
  return static_cast<double>(ns) / 1e9;
}

/// Absolute, so that what happened before does not shift it. May wake late, never early.
inline void sleep_until(std::int64_t deadline_ns) noexcept {
  const timespec deadline{deadline_ns / 1'000'000'000, deadline_ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) != 0) {
  }
}

/// Burns the rest of the way: exact, where waking from sleep takes some ten microseconds.
inline void spin_until(std::int64_t deadline_ns) noexcept LAPA_EDGE_NONBLOCKING {
  while (now_ns() < deadline_ns) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
}

struct NextDeadline {
  std::int64_t deadline_ns;
  std::int64_t skipped;  // deadlines that had passed already
};

/// The first point of the grid `deadline + i period` that lies after `now`. What has passed is
/// skipped, never made up for in a burst.
inline NextDeadline next_deadline(std::int64_t deadline_ns, std::int64_t now_ns,
                                  std::int64_t period_ns) noexcept LAPA_EDGE_NONBLOCKING {
  const std::int64_t past = now_ns > deadline_ns ? (now_ns - deadline_ns) / period_ns : 0;
  return {deadline_ns + (past + 1) * period_ns, past};
}

}  // namespace lapa_edge
