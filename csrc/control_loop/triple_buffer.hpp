// The newest value of something, from one thread to another, without either ever waiting.
//
// Three slots: the writer fills one, the reader reads another, the third lies in the middle and
// changes hands by one atomic exchange. A seqlock's reader would spin while its writer is
// preempted; here both sides end after the same few instructions, whatever the other one does.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

// Two lines, since processors fetch neighbours in pairs.
constexpr std::size_t kNoSharing = 128;

/// One writer, one reader. Slots are copies of `empty`, so whatever T allocates, it allocates here.
template <typename T>
class TripleBuffer {
 public:
  explicit TripleBuffer(const T& empty) : slots_{{empty}, {empty}, {empty}} {}

  /// Writer: the slot to fill. It holds some older value.
  T& back() noexcept LAPA_EDGE_NONBLOCKING { return slots_[back_].value; }

  /// Writer: hands the filled slot over; what the reader has not taken yet is replaced.
  void publish() noexcept LAPA_EDGE_NONBLOCKING {
    back_ = middle_.exchange(back_ | kFresh, std::memory_order_acq_rel) & kSlot;
  }

  /// Reader: moves on to the newest value. False where nothing came since the last time.
  bool take() noexcept LAPA_EDGE_NONBLOCKING {
    if ((middle_.load(std::memory_order_relaxed) & kFresh) == 0) return false;
    front_ = middle_.exchange(front_, std::memory_order_acq_rel) & kSlot;
    return true;
  }

  /// Reader: the value last taken; `empty` before the first.
  const T& front() const noexcept LAPA_EDGE_NONBLOCKING { return slots_[front_].value; }

 private:
  static constexpr std::uint32_t kSlot = 3, kFresh = 4;

  struct alignas(kNoSharing) Slot {
    T value;
  };

  Slot slots_[3];
  alignas(kNoSharing) std::uint32_t back_ = 0;                 // the writer's
  alignas(kNoSharing) std::atomic<std::uint32_t> middle_ = 1;  // nobody's; kFresh if not yet read
  alignas(kNoSharing) std::uint32_t front_ = 2;                // the reader's

  static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
};

}  // namespace lapa_edge
