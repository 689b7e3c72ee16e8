// Quantizes vectors: each becomes the index of the codebook row nearest to it.
//
//   codes[i] = argmin_j sum_c (x[i, c] - codebook[j, c])^2        ties: the lowest j
//
// The sum is taken as written, in float64, where no distance of float32 vectors overflows. The
// expanded form |x|^2 - 2 x.c + |c|^2 is faster with a matrix product, but it cancels where the
// codebook lies far from the origin, and picks wrong codes. How the answer is found faster than by
// computing every sum: search.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.hpp"

namespace lapa_edge {

enum class NearestCodeStatus {
  ok,
  x_not_finite,         // `row` of x holds NaN or infinity
  codebook_not_finite,  // `row` of the codebook does
};

struct NearestCodeResult {
  NearestCodeStatus status;
  std::size_t row;  // where it went wrong; 0 when ok
};

/// Squared L2 distance of two float32 vectors of `d` values; finite where both are.
///
/// The order of additions is part of the definition, so that every machine and the numpy reference
/// agree to the last bit: four partial sums by column index mod 4, then (s0 + s1) + (s2 + s3). No
/// multiplication is fused with an addition.
LAPA_EDGE_HOST_DEVICE inline double squared_distance(const float* x, const float* code,
                                                     std::size_t d) noexcept {
  double sum[4] = {0.0, 0.0, 0.0, 0.0};
  for (std::size_t column = 0; column < d; ++column) {
    const double difference = static_cast<double>(x[column]) - static_cast<double>(code[column]);
    sum[column % 4] += difference * difference;
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/// Fills `codes` [m] from `x` [m, d] and `codebook` [k, d], all row-major; k and d at least 1.
/// Unless the status is ok, `codes` holds nothing of use. Packs the codebook where m pays for it;
/// who looks up again and again builds a `Codebook` once.
NearestCodeResult nearest_code(const float* x, const float* codebook, std::size_t m, std::size_t k,
                               std::size_t d, std::int32_t* codes);

/// The row of x or of the codebook that is not finite, if any: the check before the search.
NearestCodeResult check_nearest_code(const float* x, const float* codebook, std::size_t m,
                                     std::size_t k, std::size_t d) noexcept;

}  // namespace lapa_edge
