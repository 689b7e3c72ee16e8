// Which NV12 a frame is, in words.
#pragma once

#include <string>

#include "preprocess/nv12.hpp"

namespace lapa_edge::bindings {

/// "bt601" or "bt709", "limited" or "full"; throws py::value_error for other words.
YuvMatrix choose_matrix(const std::string& standard, const std::string& range);

}  // namespace lapa_edge::bindings
