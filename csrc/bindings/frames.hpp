// What both preprocessors refuse: sizes, frames, planes and normalisations.
#pragma once

#include <array>
#include <string>

#include "bindings/arrays.hpp"
#include "preprocess/preprocess.hpp"

namespace lapa_edge::bindings {

using PerChannel = std::array<double, kChannels>;

/// Sides of 1 to kMaxFrameSide; `even`: of NV12.
FrameSize check_size(const char* height_name, py::ssize_t height, const char* width_name,
                     py::ssize_t width, bool even = false);

Normalisation check_normalisation(const PerChannel& mean, const PerChannel& std);

/// Refuses all but uint8 [any, any, 3], or [any, any] of NV12. `expected` is the whole rule for a
/// frame: `uint8 [480, 640, 3]`.
void check_pixels(const py::array& image, const std::string& expected, bool nv12 = false);

/// Refuses all but uint8 [height, width, 3], or [height * 3 / 2, width] of NV12.
void check_frame(const py::array& image, FrameSize size, bool nv12 = false);

/// Refuses all but contiguous, writeable planes [3, height, width].
void check_planes(const py::array& planes, const py::dtype& dtype, FrameSize size);

}  // namespace lapa_edge::bindings
