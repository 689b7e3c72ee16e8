// Built with -fsanitize=thread: mailboxes and the whole loop, hammered from every side.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "proofs/rig.hpp"

namespace {

// What a mailbox would be without its atomic exchange; the sanitizer must see the difference.
template <typename T>
class RacyBuffer {
 public:
  explicit RacyBuffer(const T& empty) : value_(empty) {}
  T& back() { return value_; }
  void publish() { fresh_ = true; }
  bool take() { return fresh_.exchange(false, std::memory_order_relaxed); }
  const T& front() const { return value_; }

 private:
  T value_;
  std::atomic<bool> fresh_{false};
};

// A writer counts up in every float; the reader must see whole values, each newer than the last.
template <typename Mailbox>
bool newest_values_arrive_whole() {
  constexpr int kValues = 100'000;
  Mailbox mailbox(std::vector<float>(64, 0.0f));
  std::thread writer([&] {
    for (int i = 1; i <= kValues; ++i) {
      for (float& value : mailbox.back()) value = static_cast<float>(i);
      mailbox.publish();
    }
  });
  float last = 0;
  bool good = true;
  while (last < kValues && good) {
    if (!mailbox.take()) {
      std::this_thread::yield();
      continue;
    }
    const std::vector<float>& values = mailbox.front();
    good = values.front() > last;
    for (const float value : values) good = good && value == values.front();
    last = values.front();
  }
  writer.join();
  return good;
}

bool the_loop_may_be_used_from_all_sides() {
  rig::ControlLoop loop(rig::build_controller(), rig::options());
  std::int64_t last = 0;
  for (int turn = 0; turn < 3; ++turn) {
    if (!loop.start().empty()) return false;
    std::atomic<bool> ending{false};
    std::thread writer([&] { rig::feed_thread(loop); });
    std::thread watcher([&] {
      while (!ending) {
        for (std::size_t b = 0; b < lapa_edge::Histogram::kBuckets; ++b) {
          loop.times().execution.count(b);
        }
        loop.cycle().ticks_with(lapa_edge::Status::moving);
      }
    });
    for (int i = 0; i < 300; ++i) {
      if (loop.cycle().commands().take()) last = loop.cycle().commands().front().tick;
      usleep(1000);
    }
    writer.join();
    ending = true;
    watcher.join();
    loop.stop();
  }
  loop.cycle().commands().take();
  const auto status = loop.cycle().commands().front().decision.status;
  return last > 10 && status == lapa_edge::Status::not_running;
}

}  // namespace

int main(int count, char** arguments) {
  using Values = std::vector<float>;
  if (rig::asked_to_break(count, arguments)) {
    newest_values_arrive_whole<RacyBuffer<Values>>();
    return 0;
  }
  if (!newest_values_arrive_whole<lapa_edge::TripleBuffer<Values>>()) return 3;
  return the_loop_may_be_used_from_all_sides() ? 0 : 4;
}
