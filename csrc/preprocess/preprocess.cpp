#include "preprocess/preprocess.hpp"

#include <algorithm>
#include <cmath>

namespace lapa_edge {
namespace {

// Each row on its own: [height, source width, 3] to [height, target width, 3].
void resize_columns(const std::uint8_t* frame, std::size_t height, std::size_t source_width,
                    const ResizeAxis& columns, std::uint8_t* narrowed) noexcept {
  const std::size_t target_width = columns.first.size();
  for (std::size_t y = 0; y < height; ++y, frame += source_width * kChannels) {
    for (std::size_t x = 0; x < target_width; ++x, narrowed += kChannels) {
      const std::int32_t* weight = columns.weights.data() + x * columns.taps;
      const std::uint8_t* pixel = frame + columns.first[x] * kChannels;
      std::int32_t sum[kChannels] = {0, 0, 0};
      for (std::int32_t t = 0; t < columns.count[x]; ++t, pixel += kChannels) {
        for (std::size_t c = 0; c < kChannels; ++c) sum[c] += weight[t] * pixel[c];
      }
      for (std::size_t c = 0; c < kChannels; ++c) narrowed[c] = round_to_pixel(sum[c]);
    }
  }
}

// Whole rows at a time: [source height, stride] to [target height, stride]; `sums` is [stride].
void resize_rows(const std::uint8_t* frame, std::size_t stride, const ResizeAxis& rows,
                 std::int32_t* sums, std::uint8_t* resized) noexcept {
  for (std::size_t y = 0; y < rows.first.size(); ++y, resized += stride) {
    std::fill(sums, sums + stride, 0);
    for (std::int32_t t = 0; t < rows.count[y]; ++t) {
      const std::int32_t weight = rows.weights[y * rows.taps + t];
      const std::uint8_t* source = frame + (rows.first[y] + t) * stride;
      for (std::size_t i = 0; i < stride; ++i) sums[i] += weight * source[i];
    }
    for (std::size_t i = 0; i < stride; ++i) resized[i] = round_to_pixel(sums[i]);
  }
}

}  // namespace

ResizeAxis::ResizeAxis(std::size_t source, std::size_t target) : first(target), count(target) {
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  const double support = std::max(scale, 1.0);  // the triangle's half width, in source pixels
  taps = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  weights.assign(target * taps, 0);

  std::vector<double> triangle(taps);
  for (std::size_t o = 0; o < target; ++o) {
    const double centre = (static_cast<double>(o) + 0.5) * scale;
    const int begin = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int end = std::min(static_cast<int>(centre + support + 0.5), static_cast<int>(source));
    double total = 0.0;
    for (int i = begin; i < end; ++i) {
      const double distance = std::abs((i - centre + 0.5) * (1.0 / support));
      triangle[i - begin] = std::max(1.0 - distance, 0.0);
      total += triangle[i - begin];
    }
    for (int t = 0; t < end - begin; ++t) {
      const double share = triangle[t] / total;
      weights[o * taps + t] = static_cast<std::int32_t>(0.5 + share * (1 << kWeightBits));
    }
    first[o] = begin;
    count[o] = end - begin;
  }
}

FrameResizer::FrameResizer(FrameSize source, FrameSize target)
    : source_(source),
      target_(target),
      rows_(source.height, target.height),
      columns_(source.width, target.width),
      narrowed_(source.height * target.width * kChannels),
      sums_(target.width * kChannels) {}

void FrameResizer::resize(const std::uint8_t* frame, std::uint8_t* resized) noexcept {
  if (source_ == target_) {
    std::copy(frame, frame + source_.height * source_.width * kChannels, resized);
    return;
  }
  resize_columns(frame, source_.height, source_.width, columns_, narrowed_.data());
  resize_rows(narrowed_.data(), target_.width * kChannels, rows_, sums_.data(), resized);
}

PixelTable build_pixel_table(const std::array<float, kChannels>& mean,
                             const std::array<float, kChannels>& std) noexcept {
  PixelTable table;
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      table[c][v] = (static_cast<float>(v) / 255.0f - mean[c]) / std[c];
    }
  }
  return table;
}

void normalise_frame(const std::uint8_t* frame, FrameSize size, const PixelTable& table,
                     float* planes) noexcept {
  const std::size_t pixels = size.height * size.width;
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t i = 0; i < pixels; ++i) {
      planes[c * pixels + i] = table[c][frame[i * kChannels + c]];
    }
  }
}

}  // namespace lapa_edge
