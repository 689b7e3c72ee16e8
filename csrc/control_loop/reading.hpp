// What is sent to the loop: values, and when the world looked so.
#pragma once

#include <vector>

namespace lapa_edge {

/// Measured or inferred values and the time at which the world looked so, on the caller's clock.
struct Reading {
  std::vector<float> values;
  double seen_at_s;
};

}  // namespace lapa_edge
