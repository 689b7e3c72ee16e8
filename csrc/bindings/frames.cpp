#include "bindings/frames.hpp"

#include <cmath>
#include <cstdint>

namespace lapa_edge::bindings {
namespace {

std::size_t check_side(const char* name, py::ssize_t side, bool even) {
  if (side < 1 || side > py::ssize_t{kMaxFrameSide} || (even && side % 2 != 0)) {
    refuse(name, (even ? "an even number up to " : "1 to ") + std::to_string(kMaxFrameSide),
           std::to_string(side));
  }
  return static_cast<std::size_t>(side);
}

}  // namespace

FrameSize check_size(const char* height_name, py::ssize_t height, const char* width_name,
                     py::ssize_t width, bool even) {
  return {check_side(height_name, height, even), check_side(width_name, width, even)};
}

Normalisation check_normalisation(const PerChannel& mean, const PerChannel& std) {
  for (std::size_t c = 0; c < kChannels; ++c) {
    if (!(std::abs(mean[c]) <= 100.0)) {
      refuse("mean", "three numbers from -100 to 100", describe(mean[c]));
    }
    if (!(std[c] >= 1e-6 && std[c] <= 1e6)) {
      refuse("std", "three numbers from 1e-6 to 1e6", describe(std[c]));
    }
  }
  return build_normalisation(mean, std);
}

void check_pixels(const py::array& image, const std::string& expected, bool nv12) {
  if (!py::isinstance<py::array_t<std::uint8_t>>(image) || image.ndim() != (nv12 ? 2 : 3) ||
      (!nv12 && image.shape(2) != py::ssize_t{kChannels})) {
    refuse("image", expected, describe(image), "pass the camera frame as it is");
  }
}

void check_frame(const py::array& image, FrameSize size, bool nv12) {
  const auto width = static_cast<py::ssize_t>(size.width);
  const auto rows = static_cast<py::ssize_t>(nv12 ? size.height * 3 / 2 : size.height);
  const std::string expected =
      "uint8 [" + std::to_string(rows) + ", " + std::to_string(width) + (nv12 ? "]" : ", 3]");
  check_pixels(image, expected, nv12);
  if (image.shape(0) != rows || image.shape(1) != width) {
    refuse("image", expected, describe(image));
  }
}

void check_planes(const py::array& planes, const py::dtype& dtype, FrameSize size) {
  const bool same = planes.dtype().equal(dtype) && planes.ndim() == 3 &&
                    planes.shape(0) == py::ssize_t{kChannels} &&
                    planes.shape(1) == static_cast<py::ssize_t>(size.height) &&
                    planes.shape(2) == static_cast<py::ssize_t>(size.width);
  if (!same) {
    refuse("planes",
           py::str(dtype).cast<std::string>() + " [3, " + std::to_string(size.height) + ", " +
               std::to_string(size.width) + "]",
           describe(planes));
  }
  if ((planes.flags() & kPlainLayout) != kPlainLayout) {
    refuse("planes", "a contiguous array", "one with strides", "pass np.ascontiguousarray(...)");
  }
  if (!planes.writeable()) refuse("planes", "a writeable array", "a read-only one");
}

}  // namespace lapa_edge::bindings
