#include "preprocess/preprocess.hpp"

#include <pybind11/stl.h>

#include <array>
#include <vector>

#include "base/finite.hpp"
#include "bindings/arrays.hpp"
#include "bindings/register.hpp"

namespace lapa_edge::bindings {
namespace {

using Frame = Array<std::uint8_t>;
using PerChannel = std::array<float, kChannels>;

Frame take_frame(const py::array& image) {
  constexpr const char* kExpected = "uint8 [height, width, 3]";
  constexpr const char* kFix = "pass the camera frame as it is";
  Frame frame = contiguous<std::uint8_t>("image", image, 3, kExpected, kFix);
  if (frame.shape(2) != kChannels) refuse("image", kExpected, describe(image), kFix);
  for (int axis = 0; axis < 2; ++axis) {
    if (frame.shape(axis) < 1 || frame.shape(axis) > py::ssize_t{kMaxFrameSide}) {
      refuse("image", "sides of 1 to " + std::to_string(kMaxFrameSide), describe(image));
    }
  }
  return frame;
}

FrameSize size_of(const Frame& frame) {
  return {static_cast<std::size_t>(frame.shape(0)), static_cast<std::size_t>(frame.shape(1))};
}

FrameSize check_target(py::ssize_t height, py::ssize_t width) {
  const auto check_side = [](const char* name, py::ssize_t side) {
    if (side < 1 || side > py::ssize_t{kMaxFrameSide}) {
      refuse(name, "1 to " + std::to_string(kMaxFrameSide), std::to_string(side));
    }
    return static_cast<std::size_t>(side);
  };
  return {check_side("height", height), check_side("width", width)};
}

PixelTable check_table(const PerChannel& mean, const PerChannel& std) {
  for (std::size_t c = 0; c < kChannels; ++c) {
    if (!is_finite(mean[c])) refuse("mean", "three finite numbers", std::to_string(mean[c]));
    if (!is_finite(std[c]) || !(std[c] > 0.0f)) {
      refuse("std", "three finite numbers above 0", std::to_string(std[c]));
    }
  }
  const PixelTable table = build_pixel_table(mean, std);
  for (const auto& channel : table) {
    if (first_non_finite(channel.data(), channel.size()) < channel.size()) {
      refuse("std", "numbers that keep (value / 255 - mean) / std finite", "one too small");
    }
  }
  return table;
}

py::array_t<std::uint8_t> bound_resize_frame(const py::array& image, py::ssize_t height,
                                             py::ssize_t width, const std::string& device) {
  const Frame frame = take_frame(image);
  const FrameSize source = size_of(frame), target = check_target(height, width);
  const bool on_cuda = wants_cuda(device);

  py::array_t<std::uint8_t> resized({height, width, py::ssize_t{kChannels}});
  const std::uint8_t* from = frame.data();
  std::uint8_t* to = resized.mutable_data();
  {
    const py::gil_scoped_release release;
    if (on_cuda) {
      cuda::resize_frame(from, source, target, to);
    } else {
      FrameResizer(source, target).resize(from, to);
    }
  }
  return resized;
}

py::array_t<float> bound_preprocess_frame(const py::array& image, py::ssize_t height,
                                          py::ssize_t width, const PerChannel& mean,
                                          const PerChannel& std, const std::string& device) {
  const Frame frame = take_frame(image);
  const FrameSize source = size_of(frame), target = check_target(height, width);
  const PixelTable table = check_table(mean, std);
  const bool on_cuda = wants_cuda(device);

  py::array_t<float> planes({py::ssize_t{kChannels}, height, width});
  const std::uint8_t* from = frame.data();
  float* to = planes.mutable_data();
  {
    const py::gil_scoped_release release;
    if (on_cuda) {
      cuda::preprocess_frame(from, source, target, table, to);
    } else {
      std::vector<std::uint8_t> resized(target.height * target.width * kChannels);
      FrameResizer(source, target).resize(from, resized.data());
      normalise_frame(resized.data(), target, table, to);
    }
  }
  return planes;
}

}  // namespace

void register_preprocess(py::module_& module) {
  module.def("resize_frame", &bound_resize_frame, py::arg("image"), py::arg("height"),
             py::arg("width"), py::kw_only(), py::arg("device") = "cpu");
  module.def("preprocess_frame", &bound_preprocess_frame, py::arg("image"), py::arg("height"),
             py::arg("width"), py::arg("mean"), py::arg("std"), py::kw_only(),
             py::arg("device") = "cpu");
}

}  // namespace lapa_edge::bindings
