#include "nearest_code/nearest_code.hpp"

#include "base/finite.hpp"
#include "nearest_code/codebook.hpp"
#include "simd/kernels.hpp"

namespace lapa_edge {
namespace {

// Packing costs as much as comparing about this many rows with every code.
constexpr std::size_t kRowsWorthPacking = 32;

}  // namespace

NearestCodeResult check_nearest_code(const float* x, const float* codebook, std::size_t m,
                                     std::size_t k, std::size_t d) noexcept {
  const std::size_t bad_code = first_non_finite(codebook, k * d);
  if (bad_code < k * d) return {NearestCodeStatus::codebook_not_finite, bad_code / d};
  const std::size_t bad_x = first_non_finite(x, m * d);
  if (bad_x < m * d) return {NearestCodeStatus::x_not_finite, bad_x / d};
  return {NearestCodeStatus::ok, 0};
}

NearestCodeResult nearest_code(const float* x, const float* codebook, std::size_t m, std::size_t k,
                               std::size_t d, std::int32_t* codes) {
  const NearestCodeResult checked = check_nearest_code(x, codebook, m, k, d);
  if (checked.status != NearestCodeStatus::ok) return checked;

  if (m >= kRowsWorthPacking) return Codebook(codebook, k, d).nearest(x, m, codes);
  kernels().nearest_code.search({k, d, codebook, Screen{}}, x, m, codes);
  return checked;
}

}  // namespace lapa_edge
