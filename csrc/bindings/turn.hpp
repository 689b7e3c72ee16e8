// One call at a time of a thing that has scratch.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>

namespace lapa_edge::bindings {

/// Marks a thing as running for as long as it lives; RuntimeError if it is already. Never waits:
/// the control path must not.
class Turn {
 public:
  Turn(std::atomic_flag& busy, const char* name, const char* fix) : busy_(busy) {
    if (busy_.test_and_set(std::memory_order_acquire)) {
      throw std::runtime_error(std::string(name) + ": already running in another thread; " + fix);
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { busy_.clear(std::memory_order_release); }

 private:
  std::atomic_flag& busy_;
};

}  // namespace lapa_edge::bindings
