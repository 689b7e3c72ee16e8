// How one axis of a frame is resampled: this file is the definition that every kernel follows.
//
// While an axis is at least twice as long as wanted it is halved, pixels averaged two by two; an
// odd last one stays as it is. Averages of rows round up and those of columns down: together they
// keep a frame's brightness, each halving of one axis alone moves it by up to a quarter of a level.
// Axes are halved level by level, rows before columns.
//
// What is left, less than a factor of two, is a triangle filter as wide as the scale, so that
// nothing aliases. In whole numbers, with reach = 2 max(source, target 2^halvings), pixel i of the
// halved axis counts for output o as much as
//
//   share[i] = reach - |(2 i + 1) target 2^halvings - (2 o + 1) source|   where that is above 0
//
// which is at most four pixels. Weights are 8-bit fixed point and sum to exactly 256: with
// c[j] = share[0] + ... + share[j] and e[j] = round(256 c[j] / c[last]), halves up,
// weight[j] = e[j] - e[j - 1]. So an even area keeps its very value. An output is
//
//   (sum of weight[j] * pixel[first + j] + 128) >> 8
//
// rows before columns, each rounded to a pixel. Small numbers throughout make it fast; an axis
// that keeps its length is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "preprocess/resize_kernels.hpp"

namespace lapa_edge {

/// The pixels of one output: first + offset[j], counting weight[j], for every j. A weight of 256
/// stands as two of 128 on the same pixel, so that each is a byte.
struct Taps {
  std::int32_t first;
  std::uint8_t offset[kTaps], weight[kTaps];
};

struct ResizeAxis {
  ResizeAxis(std::size_t source, std::size_t target);

  std::size_t halvings, halved;  // halved: the length when halved
  std::vector<Taps> outputs;
};

/// The length of an axis that is halved once.
constexpr std::size_t halve_length(std::size_t length) noexcept {
  return (length + 1) / 2;
}

}  // namespace lapa_edge
