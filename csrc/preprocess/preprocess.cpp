#include "preprocess/preprocess.hpp"

#include <algorithm>
#include <utility>

#include "simd/instruction_set.hpp"
#include "simd/kernels.hpp"

namespace lapa_edge {
namespace {

// The active set's, or the scalar ones where vectors are longer than the frame is wide.
const ResizeKernels& kernels_for(FrameSize source, FrameSize target) noexcept {
  const ResizeKernels& active = kernels().resize;
  const bool fit = source.width >= active.source_width && target.width >= active.chunk;
  return fit ? active : kernels_of(InstructionSet::scalar).resize;
}

std::size_t pitch_of(std::size_t width) noexcept {
  return (width + 63) / 64 * 64;
}

AlignedBuffer<std::uint8_t> build_row(std::size_t pitch) {
  return AlignedBuffer<std::uint8_t>(kChannels * pitch + kRowSlack);
}

}  // namespace

Normalisation build_normalisation(const std::array<double, kChannels>& mean,
                                  const std::array<double, kChannels>& std) noexcept {
  Normalisation normalisation{};
  for (std::size_t c = 0; c < kChannels; ++c) {
    const float scale = static_cast<float>(1.0 / (255.0 * std[c])), raise = scale * 32768.0f;
    normalisation.scale[c] = scale;
    normalisation.offset[c] = static_cast<float>(-mean[c] / std[c] - raise) + raise;
  }
  return normalisation;
}

FrameResizer::FrameResizer(FrameSize source, FrameSize target)
    : target_(target),
      rows_(source.height, target.height),
      columns_(source.width, target.width),
      kernels_(kernels_for(source, target)),
      column_tables_(columns_, kernels_.chunk, kernels_.window, kernels_.pixel_bytes),
      pitch_(pitch_of(columns_.halved)),
      blended_(build_row(pitch_)),
      resized_(kChannels * target.width) {
  for (auto& row : halved_) row = build_row(pitch_);
  std::size_t height = source.height, width = source.width;
  do {
    const std::size_t level = levels_.size();
    levels_.push_back({level < rows_.halvings, level < columns_.halvings, height, width, {}});
    if (level > 0) {  // level 0 reads the frame itself
      for (auto& row : levels_.back().row) row = build_row(pitch_of(width));
    }
    if (levels_.back().halve_rows) height = halve_length(height);
    if (levels_.back().halve_columns) width = halve_length(width);
  } while (levels_.size() < std::max(rows_.halvings, columns_.halvings));
  const Level& only = levels_.front();
  blends_as_read_ = levels_.size() == 1 && !(only.halve_columns && only.width % 2 == 1);
}

void FrameResizer::resize(FrameView frame, std::uint8_t* pixels) noexcept {
  const std::size_t width = target_.width;
  std::uint8_t* const rows[] = {&resized_[0], &resized_[width], &resized_[2 * width]};
  next_ = 0;
  for (std::size_t y = 0; y < target_.height; ++y) {
    blend_row(frame, y);
    kernels_.resample_columns(column_tables_.view(), blended_.data(), pitch_, rows);
    for (std::size_t x = 0; x < width; ++x) {
      for (const std::uint8_t* row : rows) *pixels++ = row[x];
    }
  }
}

void FrameResizer::preprocess(FrameView frame, ChannelOrder order,
                              const Normalisation& normalisation, float* planes) noexcept {
  const std::size_t width = target_.width, area = target_.height * width;
  // By the frame's channels, as they lie.
  Normalisation by_channel = normalisation;
  float* rows[] = {planes, planes + area, planes + 2 * area};
  if (order == ChannelOrder::bgr) {
    std::swap(by_channel.scale[0], by_channel.scale[2]);
    std::swap(by_channel.offset[0], by_channel.offset[2]);
    std::swap(rows[0], rows[2]);
  }
  next_ = 0;
  for (std::size_t y = 0; y < target_.height; ++y) {
    blend_row(frame, y);
    kernels_.normalise_columns(column_tables_.view(), blended_.data(), pitch_, by_channel, rows);
    for (float*& row : rows) row += width;
  }
}

void FrameResizer::blend_row(FrameView frame, std::size_t y) noexcept {
  const Taps& taps = rows_.outputs[y];
  std::uint8_t weight[kTaps];
  RowTaps rows{{}, weight, taps.weight[2] == 0 && taps.weight[3] == 0};
  std::size_t newest = 0;
  for (std::size_t j = 0; j < kTaps; ++j) {
    rows.row[j] = halved_[(taps.first + taps.offset[j]) % kTaps].data();
    weight[j] = taps.weight[j];
    if (taps.offset[j] > taps.offset[newest]) newest = j;
  }
  const std::size_t last = taps.first + taps.offset[newest];
  while (next_ < last) read_next(frame);
  if (next_ == last && blends_as_read_ && rows.row[0] != rows.row[1]) {
    std::swap(rows.row[0], rows.row[newest]);
    std::swap(weight[0], weight[newest]);
    const auto [first, second] = pair_of(levels_[0], next_);
    kernels_.read_and_blend(frame.pixels + first * frame.pitch, frame.pixels + second * frame.pitch,
                            levels_[0].width, levels_[0].halve_columns,
                            halved_[next_ % kTaps].data(), pitch_, rows, blended_.data());
    ++next_;
    return;
  }
  if (next_ == last) read_next(frame);
  kernels_.blend_rows(rows, kChannels * pitch_, blended_.data());
}

void FrameResizer::read_next(FrameView frame) noexcept {
  read_row(frame, levels_.size() - 1, next_, halved_[next_ % kTaps].data(), pitch_);
  ++next_;
}

void FrameResizer::read_row(FrameView frame, std::size_t level, std::size_t y, std::uint8_t* row,
                            std::size_t pitch) noexcept {
  Level& from = levels_[level];
  const auto [first, second] = pair_of(from, y);
  if (level == 0) {
    kernels_.read_rows(frame.pixels + first * frame.pitch, frame.pixels + second * frame.pitch,
                       from.width, from.halve_columns, row, pitch);
    return;
  }
  const std::size_t from_pitch = pitch_of(from.width);
  read_row(frame, level - 1, first, from.row[0].data(), from_pitch);
  if (second != first) read_row(frame, level - 1, second, from.row[1].data(), from_pitch);
  kernels_.halve_rows(from.row[0].data(), from.row[second - first].data(), from.width, from_pitch,
                      from.halve_columns, row, pitch);
}

std::pair<std::size_t, std::size_t> FrameResizer::pair_of(const Level& level,
                                                          std::size_t y) noexcept {
  if (!level.halve_rows) return {y, y};
  return {2 * y, std::min(2 * y + 1, level.height - 1)};
}

}  // namespace lapa_edge
