// Python's lock, given up for as long as no Python object is touched.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

namespace lapa_edge::bindings {

/// Other Python threads run until it goes out of scope.
///
/// A thread that comes back after the interpreter began to end is not let in again. Python before
/// 3.14 unwinds it (pthread_exit), which the destructor of pybind11's own release turns into an
/// abort of the process. Here it waits for the end instead, as Python 3.14 has it.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) pause();
    }
  }
  GilReleased(const GilReleased&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace lapa_edge::bindings
