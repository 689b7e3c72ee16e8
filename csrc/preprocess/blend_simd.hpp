// Rows of a resize blended to one, for one instruction set: in a pass of its own, or as the first
// of them is read.
#pragma once

#include "preprocess/bytes_simd.hpp"

#if HWY_TARGET != HWY_SCALAR

namespace lapa_edge {
namespace {

// Where a row is read and nothing else.
struct NoBlend {
  HWY_INLINE void operator()(Bytes, std::size_t) const {}
};

// A vector of the first row, and those of the others at the same place, to a vector of one row.
template <std::size_t kPairs>
class Blend {
 public:
  HWY_INLINE Blend(const RowTaps& taps, std::uint8_t* row) : row_(row) {
    for (std::size_t p = 0; p < kPairs; ++p) weights_[p] = weight_pair(taps.weight + 2 * p);
    for (std::size_t j = 1; j < 2 * kPairs; ++j) others_[j] = taps.row[j];
  }

  HWY_INLINE void operator()(Bytes first, std::size_t at) const {
    const Words half = hn::Set(WordTag(), kWeightTotal / 2);
    WordSums sums = add_products({half, half}, first, load_once(others_[1] + at), weights_[0]);
    if (kPairs == 2) {
      sums = add_products(sums, load_once(others_[kPairs] + at),
                          load_once(others_[2 * kPairs - 1] + at), weights_[kPairs - 1]);
    }
    hn::StoreU(high_bytes(sums), ByteTag(), row_ + at);
  }

 private:
  Bytes weights_[kPairs];
  const std::uint8_t* others_[2 * kPairs];  // from 1 on
  std::uint8_t* row_;
};

// `body` with what blends `taps` to `row`.
template <typename Body>
HWY_INLINE void with_blend(const RowTaps& taps, std::uint8_t* row, Body body) {
  if (taps.one_pair) {
    body(Blend<1>(taps, row));
  } else {
    body(Blend<2>(taps, row));
  }
}

void blend_rows(const RowTaps& taps, std::size_t bytes, std::uint8_t* row) noexcept {
  with_blend(taps, row, [&](const auto blend) HWY_ATTR {
    for (std::size_t at = 0; at < bytes; at += kByteLanes) blend(load_once(taps.row[0] + at), at);
  });
}

}  // namespace
}  // namespace lapa_edge

#endif
