// Counts and distributions that the loop writes and anybody reads, without a lock.
//
// One writer, so an increment is a relaxed load and store, not a locked instruction. A reader may
// see one value counted and the next one not yet: good enough for statistics.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "control_loop/nonblocking.hpp"

namespace lapa_edge {

/// An integer with one writer and any number of readers.
class Counter {
 public:
  void add(std::int64_t amount) noexcept LAPA_EDGE_NONBLOCKING { set(get() + amount); }
  void set(std::int64_t value) noexcept LAPA_EDGE_NONBLOCKING {
    value_.store(value, std::memory_order_relaxed);
  }
  std::int64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
  static_assert(std::atomic<std::int64_t>::is_always_lock_free);
};

/// Nanoseconds in buckets of 1/32 of their octave: every value is known to about 3 %, from 1 ns to
/// 18 minutes. What is longer counts in the last bucket, what is negative in the first.
class Histogram {
 public:
  static constexpr std::size_t kSteps = 32, kOctaves = 36, kBuckets = kSteps * kOctaves;

  void add(std::int64_t ns) noexcept LAPA_EDGE_NONBLOCKING {
    buckets_[bucket_of(ns)].add(1);
    if (ns > max_.get()) max_.set(ns);
  }

  std::int64_t count(std::size_t bucket) const noexcept { return buckets_[bucket].get(); }

  /// The largest value, exactly; 0 before the first.
  std::int64_t max() const noexcept { return max_.get(); }

  /// Forgets everything. The writer must not run.
  void clear() noexcept {
    for (Counter& bucket : buckets_) bucket.set(0);
    max_.set(0);
  }

  /// Octave 0 holds 0 to 31 one by one; octave e holds [32, 64) times 2^(e - 1).
  static std::size_t bucket_of(std::int64_t ns) noexcept LAPA_EDGE_NONBLOCKING {
    if (ns < 0) return 0;
    const auto value = static_cast<std::uint64_t>(ns);
    if (value < kSteps) return value;
    const std::size_t octave = 59 - static_cast<std::size_t>(__builtin_clzll(value));
    if (octave >= kOctaves) return kBuckets - 1;
    return octave * kSteps + ((value >> (octave - 1)) - kSteps);
  }

  /// The first value beyond a bucket.
  static std::int64_t end_of(std::size_t bucket) noexcept {
    const std::size_t octave = bucket / kSteps, step = bucket % kSteps;
    const std::int64_t end = static_cast<std::int64_t>(step) + 1;
    return octave == 0 ? end : (end + std::int64_t{kSteps}) << (octave - 1);
  }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter max_;
};

}  // namespace lapa_edge
