#include "bindings/bound_head.hpp"

#include "bindings/head_weights.hpp"

namespace lapa_edge::bindings {
namespace {

constexpr int kLongestTimeout_s = 60;

HeadPrecision precision_named(const std::string& name) {
  if (name == "f32") return HeadPrecision::f32;
  if (name == "bf16") return HeadPrecision::bf16;
  if (name == "int8") return HeadPrecision::int8;
  refuse("precision", "\"f32\", \"bf16\" or \"int8\"", "\"" + name + "\"");
}

}  // namespace

BoundActionHead::BoundActionHead(const py::dict& weights, const std::string& precision,
                                 const std::optional<py::dict>& calibration, py::ssize_t prefix,
                                 const std::string& device, bool persistent, double timeout_s)
    : precision_(precision), prefix_(static_cast<std::size_t>(prefix)) {
  const HeadPrecision wanted = precision_named(precision);
  const CheckedWeights checked(weights);
  shape_ = checked.shape();
  if (prefix < 0 || prefix_ > shape_.input) {
    refuse("prefix", "0 to " + std::to_string(shape_.input) + " inputs", std::to_string(prefix));
  }
  std::optional<CheckedCalibration> ranges;
  if (calibration) {
    ranges.emplace(*calibration, shape_);
  } else if (wanted == HeadPrecision::int8) {
    refuse("calibration", "the range of every layer's inputs for precision=\"int8\"", "none",
           "export the bundle again");
  }

  if (!wants_cuda(device)) {
    if (persistent) refuse("persistent", "False on device=\"cpu\"", "True");
    head_.emplace<ActionHead>(shape_, checked.weights(), wanted, prefix_,
                              ranges ? ranges->calibration() : HeadCalibration{});
    return;
  }
  if (wanted != HeadPrecision::f32) {
    refuse("precision", "\"f32\" on device=\"cuda\"", "\"" + precision + "\"");
  }
  if (prefix_ != 0) refuse("prefix", "0 on device=\"cuda\"", std::to_string(prefix));
  if (!(timeout_s > 0.0 && timeout_s <= kLongestTimeout_s)) {
    refuse("timeout_s", "seconds above 0, at most " + std::to_string(int{kLongestTimeout_s}),
           std::to_string(timeout_s));
  }
  head_.emplace<cuda::ActionHead>(shape_, checked.weights(),
                                  cuda::HeadServing{persistent, timeout_s});
}

py::array_t<float> BoundActionHead::forward(const py::array& x) {
  const std::string expected = "float32 [b, " + std::to_string(shape_.input) + "]";
  const Array<float> rows = contiguous<float>("x", x, 2, expected);
  if (static_cast<std::size_t>(rows.shape(1)) != shape_.input) refuse("x", expected, describe(x));
  py::array_t<float> y({rows.shape(0), static_cast<py::ssize_t>(shape_.output)});
  const auto b = static_cast<std::size_t>(rows.shape(0));
  const HeadResult result = run(WholePass{rows.data(), y.mutable_data(), b});
  check_result(result, "x", shape_.input, shape_.output);
  return y;
}

void BoundActionHead::forward_into(const py::array& x, py::array& out) {
  check_vector("x", x, shape_.input);
  check_out(out, shape_.output);
  const HeadResult result = run(
      WholePass{static_cast<const float*>(x.data()), static_cast<float*>(out.mutable_data()), 1});
  check_result(result, "x", shape_.input, shape_.output);
}

void check_vector(const char* name, const py::array& array, std::size_t size) {
  if (!py::isinstance<py::array_t<float>>(array) || array.ndim() != 1 ||
      static_cast<std::size_t>(array.size()) != size) {
    refuse(name, "float32 [" + std::to_string(size) + "]", describe(array));
  }
  if ((array.flags() & kPlainLayout) != kPlainLayout) {
    refuse(name, "a contiguous array", "one with strides", "pass np.ascontiguousarray(...)");
  }
}

void check_out(const py::array& out, std::size_t size) {
  check_vector("out", out, size);
  if (!out.writeable()) refuse("out", "a writeable array", "a read-only one");
}

void check_result(const HeadResult& result, const char* x, std::size_t inputs,
                  std::size_t outputs) {
  const auto place = [&](std::size_t columns) {
    return " at row " + std::to_string(result.index / columns) + ", column " +
           std::to_string(result.index % columns);
  };
  switch (result.status) {
    case HeadStatus::ok:
      return;
    case HeadStatus::input_not_finite:
      refuse(x, "finite values", "NaN or infinity" + place(inputs));
    case HeadStatus::output_not_finite:
      refuse("output", "finite values", "an overflow of float32" + place(outputs),
             "normalise x as in training");
    case HeadStatus::prefix_not_set:
      refuse("prefix", "finite values, taken by refresh()", "none", "call refresh() before step()");
    case HeadStatus::device_silent:
      throw std::runtime_error(
          "action head: expected an answer of the GPU in time, got none; stop the robot, and look "
          "for other work on the GPU or raise timeout_s");
    case HeadStatus::device_failed:
      throw std::runtime_error(
          "action head: expected a kernel that runs, got an error of CUDA; build the head again");
  }
}

}  // namespace lapa_edge::bindings
