#include "action_head/action_head.hpp"

#include <atomic>
#include <memory>
#include <variant>

#include "bindings/arrays.hpp"
#include "bindings/head_weights.hpp"
#include "bindings/register.hpp"

namespace lapa_edge::bindings {
namespace {

// A head as Python sees it: arrays checked, the GIL released, one call at a time.
class BoundActionHead {
 public:
  BoundActionHead(const py::dict& named, const std::string& device) {
    const CheckedWeights checked(named);
    shape_ = checked.shape();
    if (wants_cuda(device)) {
      head_.emplace<cuda::ActionHead>(shape_, checked.weights());
    } else {
      head_.emplace<ActionHead>(shape_, checked.weights());
    }
  }

  const HeadShape& shape() const noexcept { return shape_; }

  py::array_t<float> forward(const py::array& x) {
    const std::string expected = "float32 [b, " + std::to_string(shape_.input) + "]";
    const Array<float> rows = contiguous<float>("x", x, 2, expected);
    if (static_cast<std::size_t>(rows.shape(1)) != shape_.input) refuse("x", expected, describe(x));
    py::array_t<float> y({rows.shape(0), static_cast<py::ssize_t>(shape_.output)});
    run(rows.data(), y.mutable_data(), static_cast<std::size_t>(rows.shape(0)));
    return y;
  }

  void forward_into(const py::array& x, py::array& out) {
    check_vector("x", x, shape_.input);
    check_vector("out", out, shape_.output);
    if (!out.writeable()) refuse("out", "a writeable array", "a read-only one");
    run(static_cast<const float*>(x.data()), static_cast<float*>(out.mutable_data()), 1);
  }

 private:
  // Marks the head as running for as long as it lives. Never waits: the control path must not.
  class Turn {
   public:
    explicit Turn(std::atomic_flag& busy) : busy_(busy) {
      if (busy_.test_and_set(std::memory_order_acquire)) {
        throw std::runtime_error(
            "action head: already running in another thread; build one head per thread");
      }
    }
    ~Turn() { busy_.clear(std::memory_order_release); }

   private:
    std::atomic_flag& busy_;
  };

  // The hot path may not copy, so an array that would need it is refused.
  static void check_vector(const char* name, const py::array& array, std::size_t size) {
    if (!py::isinstance<py::array_t<float>>(array) || array.ndim() != 1 ||
        static_cast<std::size_t>(array.size()) != size) {
      refuse(name, "float32 [" + std::to_string(size) + "]", describe(array));
    }
    if ((array.flags() & kPlainLayout) != kPlainLayout) {
      refuse(name, "a contiguous array", "one with strides", "pass np.ascontiguousarray(...)");
    }
  }

  void run(const float* x, float* y, std::size_t b) {
    const Turn turn(busy_);
    HeadResult result{};
    {
      const py::gil_scoped_release release;
      if (auto* head = std::get_if<ActionHead>(&head_)) {
        result = head->forward(x, y, b);
      } else {
        result = std::get<cuda::ActionHead>(head_).forward(x, y, b);
      }
    }
    check_result(result);
  }

  void check_result(const HeadResult& result) const {
    const auto place = [&](std::size_t columns) {
      return " at row " + std::to_string(result.index / columns) + ", column " +
             std::to_string(result.index % columns);
    };
    switch (result.status) {
      case HeadStatus::ok:
        return;
      case HeadStatus::input_not_finite:
        refuse("x", "finite values", "NaN or infinity" + place(shape_.input));
      case HeadStatus::output_not_finite:
        refuse("output", "finite values", "an overflow of float32" + place(shape_.output),
               "normalise x as in training");
    }
  }

  HeadShape shape_{};
  std::variant<std::monostate, ActionHead, cuda::ActionHead> head_;  // never empty once built
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

}  // namespace

void register_action_head(py::module_& module) {
  using Head = BoundActionHead;
  py::class_<Head>(module, "ActionHead")
      .def(py::init<const py::dict&, const std::string&>(), py::arg("weights"), py::kw_only(),
           py::arg("device") = "cpu")
      .def_property_readonly("input_size", [](const Head& head) { return head.shape().input; })
      .def_property_readonly("output_size", [](const Head& head) { return head.shape().output; })
      .def_property_readonly("width", [](const Head& head) { return head.shape().width; })
      .def_property_readonly("blocks", [](const Head& head) { return head.shape().blocks; })
      .def("forward", &Head::forward, py::arg("x"))
      .def("forward_into", &Head::forward_into, py::arg("x"), py::arg("out"));
}

}  // namespace lapa_edge::bindings
