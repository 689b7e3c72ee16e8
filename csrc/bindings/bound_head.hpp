// A head as Python sees it: arrays checked, the GIL released, one call at a time.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <optional>
#include <string>
#include <variant>

#include "action_head/action_head.hpp"
#include "action_head/cuda_action_head.hpp"
#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/turn.hpp"

namespace lapa_edge::bindings {

/// [b, in] to [b, out], on whichever device.
struct WholePass {
  const float* x;
  float* y;
  std::size_t b;

  template <typename Head>
  HeadResult operator()(Head& head) const {
    return head.forward(x, y, b);
  }
  HeadResult operator()(std::monostate) const { return {}; }
};

class BoundActionHead {
 public:
  BoundActionHead(const py::dict& weights, const std::string& precision,
                  const std::optional<py::dict>& calibration, py::ssize_t prefix,
                  const std::string& device, bool persistent = false, double timeout_s = 0.1);

  const HeadShape& shape() const noexcept { return shape_; }
  const std::string& precision() const noexcept { return precision_; }
  std::size_t prefix() const noexcept { return prefix_; }

  /// The head itself; null on CUDA.
  ActionHead* on_cpu() noexcept { return std::get_if<ActionHead>(&head_); }

  py::array_t<float> forward(const py::array& x);
  void forward_into(const py::array& x, py::array& out);

  /// `call` of the head, without the GIL, unless the head is running already: RuntimeError.
  template <typename Call>
  HeadResult run(Call call) {
    const Turn turn(busy_, "action head", "build one head per thread");
    const GilReleased released;
    return std::visit(call, head_);
  }

 private:
  HeadShape shape_{};
  std::string precision_;
  std::size_t prefix_ = 0;
  std::variant<std::monostate, ActionHead, cuda::ActionHead> head_;  // never empty once built
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

/// Refuses an array that is not float32 [size] in one aligned piece: the hot path may not copy.
void check_vector(const char* name, const py::array& array, std::size_t size);

/// check_vector, and writeable.
void check_out(const py::array& out, std::size_t size);

/// Throws unless ok: py::value_error, or std::runtime_error where the GPU is at fault. `x` is what
/// the input is called, of `inputs` columns.
void check_result(const HeadResult& result, const char* x, std::size_t inputs, std::size_t outputs);

}  // namespace lapa_edge::bindings
