#include "control_loop/control_loop.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <system_error>
#include <utility>

#include "control_loop/clock.hpp"

namespace lapa_edge {
namespace {

// Signals belong to Python's main thread, whose waiting they must interrupt. A thread inherits the
// mask of the one that starts it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

ControlLoop::ControlLoop(Controller controller, const LoopOptions& options)
    : cycle_(std::move(controller)),
      options_(options),
      period_ns_(std::llround(1e9 / options.rate_hz)),
      early_wake_ns_(std::llround(1e9 * options.early_wake_s)) {}

ControlLoop::~ControlLoop() {
  if (running()) stop();
  thread_.release();  // only where this is a forked child: else there is none
}

bool ControlLoop::running() const noexcept {
  return thread_ != nullptr && owner_ == getpid();
}

std::string ControlLoop::start() {
  thread_.release();  // in a forked child: the parent's
  clear_times();
  stopping_ = false;
  owner_ = getpid();

  std::promise<std::string> refused;
  std::future<std::string> answer = refused.get_future();
  const SignalsBlocked blocked;
  try {
    thread_ = std::make_unique<std::thread>([this, refused = std::move(refused)]() mutable {
      pthread_setname_np(pthread_self(), "lapa-control");
      std::string refusal = apply_to_this_thread(options_.thread);
      const bool granted = refusal.empty();
      refused.set_value(std::move(refusal));
      if (granted) run();
    });
  } catch (const std::system_error& error) {
    return "thread: expected leave to start one, got \"" + error.code().message() +
           "\"; raise the limit of processes (ulimit -u, nproc in /etc/security/limits.conf, "
           "pids.max of the container)";
  }
  std::string refusal = answer.get();
  if (!refusal.empty()) {
    thread_->join();
    thread_.reset();
  }
  return refusal;
}

void ControlLoop::stop() noexcept {
  stopping_ = true;
  thread_->join();
  thread_.reset();
}

void ControlLoop::run() noexcept {
  std::int64_t deadline_ns = now_ns() + period_ns_;
  for (;;) {
    wait_for(deadline_ns);
    if (stopping_) break;
    tick(deadline_ns);
    const NextDeadline next = next_deadline(deadline_ns, now_ns(), period_ns_);
    times_.skipped.add(next.skipped);
    deadline_ns = next.deadline_ns;
  }
  cycle_.finish(seconds(now_ns()));
}

void ControlLoop::wait_for(std::int64_t deadline_ns) noexcept {
  sleep_until(deadline_ns - early_wake_ns_);
  if (early_wake_ns_ != 0 && !stopping_) prepare(deadline_ns);
}

void ControlLoop::prepare(std::int64_t deadline_ns) noexcept {
  cycle_.take_latent(seconds(deadline_ns));
  cycle_.take_state();
  // Not once: what was read early may have been evicted by the deadline, and a core that works
  // keeps its clock up. Another one begins only where the last one's time is left.
  std::int64_t begin_ns = now_ns(), took_ns = 0;
  while (begin_ns + took_ns < deadline_ns) {
    cycle_.rehearse(seconds(begin_ns));
    const std::int64_t end_ns = now_ns();
    took_ns = end_ns - begin_ns;
    begin_ns = end_ns;
  }
  spin_until(deadline_ns);
}

void ControlLoop::tick(std::int64_t deadline_ns) noexcept {
  const std::int64_t begin_ns = now_ns();
  if (early_wake_ns_ == 0) cycle_.take_latent(seconds(begin_ns));
  cycle_.take_state();
  const Decision decision = cycle_.act(seconds(now_ns()));
  const std::int64_t end_ns = now_ns();

  times_.ticks.add(1);
  times_.late.add((begin_ns - deadline_ns) * 10 > period_ns_);
  times_.lateness.add(begin_ns - deadline_ns);
  times_.execution.add(end_ns - begin_ns);
  if (decision.latent_age_s >= 0) {
    times_.latent_age.add(static_cast<std::int64_t>(std::min(decision.latent_age_s, 1e9) * 1e9));
  }
}

void ControlLoop::clear_times() noexcept {
  times_.lateness.clear();
  times_.execution.clear();
  times_.latent_age.clear();
  times_.ticks.set(0);
  times_.skipped.set(0);
  times_.late.set(0);
  cycle_.clear_counts();
}

}  // namespace lapa_edge
