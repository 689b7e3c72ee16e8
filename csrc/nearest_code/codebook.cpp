#include "nearest_code/codebook.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/kernels.hpp"

namespace lapa_edge {
namespace {

// With fewer codes, the screen by float32 is as fast as the one by bytes.
constexpr std::size_t kCodesWorthBytes = 48;

// A codebook closer together than this is screened by float32: see the proof below.
constexpr float kLeastNormForBytes = 0x1p-30f;

constexpr std::size_t kWidestVector = 16;

std::size_t round_up(std::size_t count, std::size_t step) {
  return (count + step - 1) / step * step;
}

// What a score can be wrong by, with u = 2^-24, X = |x'|, and N at least every |c'|:
//
//   float32   x', c', |c'|^2 / 2 and each of the d steps of the dot product round once, relative
//             to sums that X N + N^2 bounds: less than (d + 16) u (X N + N^2).
//   float64   the definition itself rounds: less than (d + 16) 2^-53 (X^2 + N^2) of half a
//             distance.
//
//   bytes     with x' = s q + r and every c' within R of its bytes, Cauchy and Schwarz bound what
//             the dot product loses by |r| N + (X + |r|) R; the sum of products of bytes is exact.
//
// Twice the first two also cover how these formulas themselves round. N and X are raised to 2^-50
// at least, which puts the sum above whatever underflows.
ErrorBound float_error(std::size_t d, float norm) {
  const float steps = static_cast<float>(d + 16);
  return {steps * 0x1p-23f * norm * norm, steps * 0x1p-23f * norm, steps * 0x1p-52f};
}

// By bytes. With ratio = N / R, y^2 = ratio |r|^2 + X^2 / ratio and a + b <= sqrt(2 (a^2 + b^2)),
//
//   |r| N + X R <= sqrt(2 N R) y        |r| R <= R / sqrt(ratio) y        X <= sqrt(ratio) y
//
// and the last turns the bound of float32 into one of y. Where X is below 2^-50 its square may
// vanish, but then |r| N + (X + |r|) R is far below the constant, N being above 2^-30.
ErrorBound byte_error(const ErrorBound& floats, float norm, float residual) {
  const float ratio = norm / residual, root = std::sqrt(ratio);
  const float linear = std::sqrt(2.0f * norm * residual) + residual / root;
  return {floats.constant, 1.001f * (linear + floats.linear * root), floats.quadratic * ratio};
}

double sum_of_squares(const float* values, std::size_t count) {
  double sum[4] = {};  // four chains, for speed
  const std::size_t whole = count - count % 4;
  for (std::size_t i = 0; i < whole; i += 4) {
    for (std::size_t f = 0; f < 4; ++f) {
      sum[f] += static_cast<double>(values[i + f]) * static_cast<double>(values[i + f]);
    }
  }
  for (std::size_t i = whole; i < count; ++i) {
    sum[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// At least the norm whose square this is, whatever float32 rounds off.
float norm_above(double square) {
  return static_cast<float>(std::sqrt(square) * (1.0 + 0x1p-20));
}

}  // namespace

Codebook::Codebook(const float* codes, std::size_t k, std::size_t d)
    : kernels_(kernels().nearest_code), codes_(k * d), view_{k, d, codes_.data(), Screen{}} {
  std::copy(codes, codes + k * d, codes_.begin());
  if (d > kMaxScreenedWidth) return;

  const std::vector<float> centred = centre();
  double most = 0.0;
  for (std::size_t j = 0; j < k; ++j) {
    most = std::max(most, sum_of_squares(centred.data() + j * d, d));
  }
  const float norm = std::max(norm_above(most), kLeastNorm);
  if (!(norm <= kLargestNorm)) return;

  if (kernels_.byte_panel > 0 && k >= kCodesWorthBytes && norm >= kLeastNormForBytes) {
    pack_norms(centred, kernels_.byte_panel);
    pack_bytes(centred, norm);
  } else {
    pack_norms(centred, kernels_.float_panel);
    pack_floats(centred, norm);
  }
}

// Sets the mean; returns the codebook less it, [k, d].
std::vector<float> Codebook::centre() {
  const std::size_t k = size(), d = width();
  std::vector<double> sum(d);
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t c = 0; c < d; ++c) sum[c] += codes_[j * d + c];
  }
  mean_ = AlignedBuffer<float>(round_up(d, kWidestVector));
  for (std::size_t c = 0; c < d; ++c) {
    mean_[c] = static_cast<float>(sum[c] / static_cast<double>(k));
  }
  view_.screen.mean = mean_.data();

  std::vector<float> centred(k * d);
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t c = 0; c < d; ++c) centred[j * d + c] = codes_[j * d + c] - mean_[c];
  }
  return centred;
}

void Codebook::pack_norms(const std::vector<float>& centred, std::size_t panel) {
  half_norm_ = AlignedBuffer<float>(round_up(size(), panel));
  std::fill(half_norm_.begin(), half_norm_.end(), std::numeric_limits<float>::infinity());
  for (std::size_t j = 0; j < size(); ++j) {
    const double square = sum_of_squares(centred.data() + j * width(), width());
    half_norm_[j] = static_cast<float>(square / 2.0);
  }
  view_.screen.half_norm = half_norm_.data();
  view_.screen.codes = half_norm_.size();
}

void Codebook::pack_floats(const std::vector<float>& centred, float norm) {
  const std::size_t d = width(), panel = kernels_.float_panel;
  floats_ = AlignedBuffer<float>(half_norm_.size() * d);
  for (std::size_t j = 0; j < size(); ++j) {
    float* to = floats_.data() + j / panel * panel * d + j % panel;
    for (std::size_t c = 0; c < d; ++c) to[c * panel] = centred[j * d + c];
  }
  view_.screen.floats = floats_.data();
  view_.screen.error = float_error(d, norm);
}

void Codebook::pack_bytes(const std::vector<float>& centred, float norm) {
  const std::size_t d = width(), columns = padded_columns(d), panel = kernels_.byte_panel;
  float largest = 0.0f;
  for (const float value : centred) largest = std::max(largest, std::abs(value));
  const float scale = largest / 127.0f;

  bytes_ = AlignedBuffer<std::int8_t>(half_norm_.size() * columns);
  const int offset = kernels_.unsigned_bytes ? 128 : 0;
  std::vector<int> whole(columns);
  std::vector<float> residuals(d);
  double most = 0.0;
  for (std::size_t j = 0; j < size(); ++j) {
    const float* code = centred.data() + j * d;
    for (std::size_t c = 0; c < d; ++c) {
      whole[c] = static_cast<int>(code[c] / scale + std::copysign(0.5f, code[c]));  // to nearest
      residuals[c] = code[c] - scale * static_cast<float>(whole[c]);
    }
    most = std::max(most, sum_of_squares(residuals.data(), d));
    std::int8_t* to = bytes_.data() + j / panel * panel * columns + j % panel * 4;
    for (std::size_t c = 0; c < columns; ++c) {
      to[c / 4 * 4 * panel + c % 4] = static_cast<std::int8_t>(whole[c] + offset);
    }
  }
  // Not zero, where bytes hold the codes exactly.
  const float residual = std::max(norm_above(most), norm * 0x1p-12f);
  view_.screen.bytes = bytes_.data();
  view_.screen.byte_scale = scale;
  view_.screen.byte_ratio = norm / residual;
  view_.screen.error = byte_error(float_error(d, norm), norm, residual);
}

NearestCodeResult Codebook::nearest(const float* x, std::size_t m,
                                    std::int32_t* nearest) const noexcept {
  const std::size_t row = kernels_.search(view_, x, m, nearest);
  if (row < m) return {NearestCodeStatus::x_not_finite, row};
  return {NearestCodeStatus::ok, 0};
}

NearestCodeResult Codebook::quantize(const float* x, std::size_t m, std::int32_t* nearest,
                                     float* latents) const noexcept {
  // What the caller can reach may change under way: no index is read back from there.
  constexpr std::size_t kRows = 64;
  std::int32_t known[kRows];
  for (std::size_t first = 0; first < m; first += kRows) {
    const std::size_t rows = std::min(kRows, m - first);
    const NearestCodeResult result = this->nearest(x + first * width(), rows, known);
    if (result.status != NearestCodeStatus::ok) return {result.status, first + result.row};
    for (std::size_t row = 0; row < rows; ++row) {
      const float* code = codes_.data() + static_cast<std::size_t>(known[row]) * width();
      nearest[first + row] = known[row];
      std::copy(code, code + width(), latents + (first + row) * width());
    }
  }
  return {NearestCodeStatus::ok, 0};
}

}  // namespace lapa_edge
