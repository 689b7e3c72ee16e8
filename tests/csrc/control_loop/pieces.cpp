// The loop's small parts: deadlines, buckets, limits, mailboxes. Exits with the number of failures.
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "control_loop/action_limits.hpp"
#include "control_loop/clock.hpp"
#include "control_loop/histogram.hpp"
#include "control_loop/standstill.hpp"
#include "control_loop/thread_options.hpp"
#include "control_loop/triple_buffer.hpp"

namespace {

using namespace lapa_edge;

int failures = 0;

void check(bool holds, const char* claim) {
  if (holds) return;
  std::printf("not so: %s\n", claim);
  ++failures;
}

void check_deadlines() {
  const auto leads_to = [](std::int64_t now, std::int64_t deadline, std::int64_t skipped) {
    const NextDeadline next = next_deadline(1000, now, 100);
    return next.deadline_ns == deadline && next.skipped == skipped;
  };
  check(leads_to(990, 1100, 0), "a tick that ended early waits for the next deadline");
  check(leads_to(1000, 1100, 0), "a tick that ended at once does too");
  check(leads_to(1099, 1100, 0), "a tick that just fits skips none");
  check(leads_to(1100, 1200, 1), "a deadline that has come is skipped");
  check(leads_to(1350, 1400, 3), "after a long tick the loop is back on its grid");
}

void check_histogram() {
  bool covered = true, narrow = true;
  for (std::size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    const std::int64_t end = Histogram::end_of(bucket);
    covered = covered && Histogram::bucket_of(end - 1) == bucket &&
              Histogram::bucket_of(end) == bucket + 1;
    const std::int64_t width = Histogram::end_of(bucket + 1) - end;
    narrow = narrow && (width == 1 || width * 32 <= end);
  }
  check(covered, "every bucket begins where the last one ends");
  check(narrow, "no bucket is wider than 1/32 of its values");
  check(Histogram::bucket_of(-5) == 0, "what is negative counts as nothing");
  check(Histogram::bucket_of(INT64_MAX) == Histogram::kBuckets - 1, "what is huge counts last");
  check(Histogram::end_of(Histogram::kBuckets - 1) > std::int64_t{1000} * 1'000'000'000,
        "a thousand seconds fit");

  Histogram histogram;
  histogram.add(100);
  histogram.add(7'000'000);
  check(histogram.count(Histogram::bucket_of(100)) == 1 && histogram.max() == 7'000'000,
        "a value is counted, the largest exactly");
  histogram.clear();
  check(histogram.count(Histogram::bucket_of(100)) == 0 && histogram.max() == 0,
        "a cleared histogram is empty");
}

void check_limits() {
  constexpr double kLow = -0.1, kHigh = 0.1;  // as float32 both lie outside
  const ActionLimits limits({kLow}, {kHigh}, {kHigh});
  float high = 1, low = -1, inside = 0.05f;
  check(limits.clamp(&high) == 1 && limits.clamp(&low) == 1, "what is clamped is counted");
  check(high <= kHigh && low >= kLow, "limits are rounded inwards");
  check(high > 0.0999999 && low < -0.0999999, "by no more than they must");
  check(limits.clamp(&inside) == 0 && inside == 0.05f, "what is inside stays");
  check(limits.stop()[0] == high, "the stop action is within the limits");
}

void check_standstill() {
  // A velocity, a position measured by state 1, a gripper.
  const ActionLimits limits({-1, -1, -1}, {1, 1, 1}, {0, 0.5, 0.25});
  Standstill standstill(limits, {{{1, 1}}, {2}});
  const auto is = [&](float position, float gripper) {
    const std::vector<float>& action = standstill.action();
    return action[0] == 0 && action[1] == position && action[2] == gripper;
  };
  const auto see = [&](float measured) {
    const float state[] = {9, measured};
    standstill.see(state);
  };
  const float command[] = {0.7f, 0.8f, -0.5f};
  check(is(0.5f, 0.25f) && !standstill.known(), "before anything is known it is the spec's stop");
  see(NAN);
  check(is(0.5f, 0.25f) && !standstill.known(), "a measurement that is not finite says nothing");
  see(0.75f);
  check(is(0.75f, 0.25f) && standstill.known(), "a position stops where it is measured");
  see(0.5f);
  check(is(0.75f, 0.25f), "a robot that stands still does not sink with its measurement");
  standstill.note_sent(command, true);
  see(3);
  check(is(1, -0.5f), "one that moved stops where it is now, within its limits");
  standstill.note_sent(standstill.action().data(), false);
  see(0);
  check(is(1, -0.5f), "and stays, with its gripper as it was told last");
  standstill.forget();
  check(is(0.5f, 0.25f) && !standstill.known(), "a new episode knows nothing");
}

void check_mailbox() {
  TripleBuffer<int> mailbox(0);
  const auto send = [&](int value) {
    mailbox.back() = value;
    mailbox.publish();
  };
  check(!mailbox.take() && mailbox.front() == 0, "an empty mailbox has nothing to take");
  send(1);
  check(mailbox.take() && mailbox.front() == 1, "what was sent arrives");
  check(!mailbox.take() && mailbox.front() == 1, "once; then it stays in view");
  send(2);
  send(3);
  send(4);
  check(mailbox.front() == 1, "the reader's value does not change under its eyes");
  check(mailbox.take() && mailbox.front() == 4, "only the newest counts");
}

void check_refusals() {
  const std::string refused = apply_to_this_thread({0, 4711, false});
  check(refused.find("cpu: expected one that this process may use (") == 0 &&
            refused.find("), got 4711") != std::string::npos,
        "a core that does not exist is refused by name");
}

void check_clock() {
  const std::int64_t until = now_ns() + 2'000'000;
  sleep_until(until);
  check(now_ns() >= until, "sleep never ends early");
  const std::int64_t next = now_ns() + 100'000;
  spin_until(next);
  check(now_ns() >= next, "spinning never ends early");
}

}  // namespace

int main() {
  check_deadlines();
  check_histogram();
  check_limits();
  check_standstill();
  check_mailbox();
  check_refusals();
  check_clock();
  return failures;
}
