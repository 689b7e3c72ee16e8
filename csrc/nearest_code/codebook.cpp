#include "nearest_code/codebook.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/kernels.hpp"

namespace lapa_edge {
namespace {

// With fewer codes, the screen by float32 is as fast as the one by bytes.
constexpr std::size_t kCodesWorthBytes = 48;

constexpr std::size_t kWidestVector = 16;

std::size_t round_up(std::size_t count, std::size_t step) {
  return (count + step - 1) / step * step;
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
  const bool by_bytes = kernels_.byte_panel > 0 && k >= kCodesWorthBytes;
  half_norm_ = AlignedBuffer<float>(
      round_up(k, by_bytes ? kernels_.byte_panel : kernels_.float_panel));
  const std::vector<float> centred = centre();
  if (!(view_.screen.norm <= kLargestNorm)) return;
  pack_floats(centred);
  if (by_bytes) pack_bytes(centred);
  view_.screen.codes = half_norm_.size();
}

// Returns the codebook less its mean [k, d]; sets the mean and the norms.
std::vector<float> Codebook::centre() {
  const std::size_t k = size(), d = width();
  std::vector<double> sum(d);
  for (std::size_t i = 0; i < k * d; ++i) sum[i % d] += codes_[i];
  mean_ = AlignedBuffer<float>(round_up(d, kWidestVector));
  for (std::size_t c = 0; c < d; ++c) mean_[c] = static_cast<float>(sum[c] / static_cast<double>(k));

  std::fill(half_norm_.begin(), half_norm_.end(), std::numeric_limits<float>::infinity());
  std::vector<float> centred(k * d);
  double most = 0.0;
  for (std::size_t j = 0; j < k; ++j) {
    double square = 0.0;
    for (std::size_t c = 0; c < d; ++c) {
      const float value = codes_[j * d + c] - mean_[c];
      centred[j * d + c] = value;
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    half_norm_[j] = static_cast<float>(square / 2.0);
    most = std::max(most, square);
  }
  view_.screen.mean = mean_.data();
  view_.screen.half_norm = half_norm_.data();
  view_.screen.norm = std::max(norm_above(most), kLeastNorm);
  return centred;
}

void Codebook::pack_floats(const std::vector<float>& centred) {
  const std::size_t d = width(), panel = kernels_.float_panel;
  floats_ = AlignedBuffer<float>(half_norm_.size() * d);
  for (std::size_t j = 0; j < size(); ++j) {
    float* to = floats_.data() + j / panel * panel * d + j % panel;
    for (std::size_t c = 0; c < d; ++c) to[c * panel] = centred[j * d + c];
  }
  view_.screen.floats = floats_.data();
}

void Codebook::pack_bytes(const std::vector<float>& centred) {
  const std::size_t d = width(), columns = padded_columns(d), panel = kernels_.byte_panel;
  float largest = 0.0f;
  for (const float value : centred) largest = std::max(largest, std::abs(value));
  const float scale = largest / 127.0f;

  bytes_ = AlignedBuffer<std::int8_t>(half_norm_.size() * columns);
  double most = 0.0;
  for (std::size_t j = 0; j < size(); ++j) {
    std::int8_t* to = bytes_.data() + j / panel * panel * columns + j % panel * 4;
    double square = 0.0;
    for (std::size_t c = 0; c < d; ++c) {
      const float value = centred[j * d + c];
      const float whole = scale > 0.0f ? std::nearbyint(value / scale) : 0.0f;
      const int byte = static_cast<int>(std::clamp(whole, -127.0f, 127.0f));
      const double residual = static_cast<double>(value) - static_cast<double>(scale) * byte;
      square += residual * residual;
      to[c / 4 * 4 * panel + c % 4] =
          static_cast<std::int8_t>(kernels_.unsigned_bytes ? byte ^ -128 : byte);
    }
    most = std::max(most, square);
  }
  view_.screen.bytes = bytes_.data();
  view_.screen.byte_scale = scale;
  view_.screen.residual = norm_above(most);
}

NearestCodeResult Codebook::nearest(const float* x, std::size_t m,
                                    std::int32_t* nearest) const noexcept {
  const std::size_t row = kernels_.search(view_, x, m, nearest);
  if (row < m) return {NearestCodeStatus::x_not_finite, row};
  return {NearestCodeStatus::ok, 0};
}

NearestCodeResult Codebook::quantize(const float* x, std::size_t m, std::int32_t* nearest,
                                     float* latents) const noexcept {
  const NearestCodeResult result = this->nearest(x, m, nearest);
  if (result.status != NearestCodeStatus::ok) return result;
  for (std::size_t row = 0; row < m; ++row) {
    const float* code = codes_.data() + static_cast<std::size_t>(nearest[row]) * width();
    std::copy(code, code + width(), latents + row * width());
  }
  return result;
}

}  // namespace lapa_edge
