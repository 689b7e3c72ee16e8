// The real-time thread: wakes at absolute deadlines, ticks, never waits for Python.
//
//     deadline - early_wake        deadline                     deadline + period
//   sleep  | take latent, rehearse  | take state, act, publish | sleep ... |
//
// The early wake hides the jitter of waking, since the deadline is then met by spinning, and cold
// caches, since the rehearsals have just read every weight.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "control_loop/control_cycle.hpp"
#include "control_loop/histogram.hpp"
#include "control_loop/nonblocking.hpp"
#include "control_loop/thread_options.hpp"

namespace lapa_edge {

constexpr double kMinRateHz = 50, kMaxRateHz = 1000;

struct LoopOptions {
  double rate_hz;       // kMinRateHz to kMaxRateHz
  double early_wake_s;  // 0 turns it off; at most half a period
  ThreadOptions thread;
};

/// Written by the loop, read by anybody, all since the last start. In nanoseconds.
struct LoopTimes {
  Histogram lateness;    // from a tick's deadline to its begin
  Histogram execution;   // from its begin to its command
  Histogram latent_age;  // at its begin, where there was a latent from the past
  Counter ticks;
  Counter skipped;  // deadlines that passed during earlier ticks
  Counter late;     // ticks that began more than a tenth of a period after their deadline
};

class ControlLoop {
 public:
  ControlLoop(Controller controller, const LoopOptions& options);
  /// Stops the loop where it runs.
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;

  ControlCycle& cycle() noexcept { return cycle_; }
  const ControlCycle& cycle() const noexcept { return cycle_; }
  const LoopTimes& times() const noexcept { return times_; }

  /// Whether the thread runs; false in a process forked from the one that started it.
  bool running() const noexcept;

  /// Starts the thread; must not run. Returns what the operating system refused and what to do,
  /// empty where it runs now.
  std::string start();

  /// Ends the thread within a period; must run. The last command is then the stop action.
  void stop() noexcept;

 private:
  void run() noexcept;
  void wait_for(std::int64_t deadline_ns) noexcept;
  void prepare(std::int64_t deadline_ns) noexcept LAPA_EDGE_NONBLOCKING;
  void tick(std::int64_t deadline_ns) noexcept LAPA_EDGE_NONBLOCKING;
  void clear_times() noexcept;

  ControlCycle cycle_;
  LoopTimes times_;
  LoopOptions options_;
  std::int64_t period_ns_, early_wake_ns_;
  std::atomic<bool> stopping_{false};
  // Behind a pointer, since a forked child must let go of it: its thread does not exist there.
  std::unique_ptr<std::thread> thread_;
  pid_t owner_ = 0;
};

}  // namespace lapa_edge
