#include "nearest_code/nearest_code.hpp"

#include <limits>

#include "base/finite.hpp"

namespace lapa_edge {

NearestCodeResult check_nearest_code(const float* x, const float* codebook, std::size_t m,
                                     std::size_t k, std::size_t d) noexcept {
  const std::size_t bad_code = first_non_finite(codebook, k * d);
  if (bad_code < k * d) return {NearestCodeStatus::codebook_not_finite, bad_code / d};
  const std::size_t bad_x = first_non_finite(x, m * d);
  if (bad_x < m * d) return {NearestCodeStatus::x_not_finite, bad_x / d};
  return {NearestCodeStatus::ok, 0};
}

NearestCodeResult nearest_code(const float* x, const float* codebook, std::size_t m, std::size_t k,
                               std::size_t d, std::int32_t* codes) noexcept {
  const NearestCodeResult checked = check_nearest_code(x, codebook, m, k, d);
  if (checked.status != NearestCodeStatus::ok) return checked;

  for (std::size_t row = 0; row < m; ++row) {
    float best = std::numeric_limits<float>::infinity();
    std::int32_t code = -1;  // stays where every distance overflowed
    for (std::size_t j = 0; j < k; ++j) {
      const float distance = squared_distance(x + row * d, codebook + j * d, d);
      if (distance < best) {
        best = distance;
        code = static_cast<std::int32_t>(j);
      }
    }
    if (code < 0) return {NearestCodeStatus::distance_overflow, row};
    codes[row] = code;
  }
  return {NearestCodeStatus::ok, 0};
}

}  // namespace lapa_edge
