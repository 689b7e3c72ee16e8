#include "preprocess/resize_axis.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace lapa_edge {
namespace {

using Whole = std::int64_t;

// From the first pixel with a share on; at most kTaps of them have one.
Taps take_shares(Whole first, const std::array<Whole, kTaps>& shares) {
  Whole total = 0;
  for (const Whole share : shares) total += share;
  Taps taps{static_cast<std::int32_t>(first), {}, {}};
  Whole sum = 0, before = 0;
  for (std::size_t j = 0; j < kTaps; ++j) {
    sum += shares[j];
    const Whole edge = (2 * kWeightTotal * sum + total) / (2 * total), weight = edge - before;
    before = edge;
    if (weight == 0) continue;
    taps.offset[j] = static_cast<std::uint8_t>(j);
    taps.weight[j] = static_cast<std::uint8_t>(weight);
    if (weight == kWeightTotal) {
      taps.offset[j ^ 1] = taps.offset[j];
      taps.weight[j] = taps.weight[j ^ 1] = kWeightTotal / 2;
      break;
    }
  }
  return taps;
}

}  // namespace

ResizeAxis::ResizeAxis(std::size_t source, std::size_t target) : halvings(0), halved(source) {
  for (; (target << (halvings + 1)) <= source; ++halvings) halved = halve_length(halved);

  // Sides are at most 2^14, so nothing here comes near the limits of 64 bits.
  const Whole step = static_cast<Whole>(target << halvings), width = static_cast<Whole>(source);
  const Whole reach = 2 * std::max(width, step), last = static_cast<Whole>(halved) - 1;
  Whole first = 0;
  for (std::size_t o = 0; o < target; ++o) {
    const auto share = [&](Whole i) {
      const Whole distance = (2 * i + 1) * step - (2 * static_cast<Whole>(o) + 1) * width;
      return i > last ? 0 : std::max(reach - std::abs(distance), Whole{0});
    };
    while (share(first) == 0) ++first;
    outputs.push_back(
        take_shares(first, {share(first), share(first + 1), share(first + 2), share(first + 3)}));
  }
}

}  // namespace lapa_edge
