// Finds NaN and infinities. What reaches the robot is finite, or it is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lapa_edge {

/// All exponent bits set is how IEEE 754 writes NaN and infinity.
inline bool is_finite(float value) noexcept {
  constexpr std::uint32_t kExponent = 0x7f800000u;
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & kExponent) != kExponent;
}

/// Takes as long for bad values as for good ones: no early exit, so it vectorises.
inline bool all_finite(const float* values, std::size_t count) noexcept {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) bad |= static_cast<std::uint32_t>(!is_finite(values[i]));
  return bad == 0;
}

/// Index of the first value that is NaN or infinite; `count` where there is none.
inline std::size_t first_non_finite(const float* values, std::size_t count) noexcept {
  if (all_finite(values, count)) return count;  // nearly always

  std::size_t i = 0;
  while (is_finite(values[i])) ++i;
  return i;
}

}  // namespace lapa_edge
