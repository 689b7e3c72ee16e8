#include "preprocess/column_tables.hpp"

#include <algorithm>

namespace lapa_edge {

ColumnTables::ColumnTables(const ResizeAxis& columns, std::size_t chunk, std::size_t window,
                           std::size_t pixel_bytes) {
  const auto bytes = static_cast<std::int32_t>(pixel_bytes);
  const std::size_t outputs = columns.outputs.size(), chunks = (outputs + chunk - 1) / chunk;
  index_ = AlignedBuffer<std::uint8_t>(chunks * chunk * kTaps);
  weight_ = AlignedBuffer<std::uint8_t>(chunks * chunk * kTaps);
  std::size_t at = 0;
  for (std::size_t done = 0; done < outputs; done += chunk) {
    const std::size_t output = std::min(done, outputs - chunk);
    output_.push_back(static_cast<std::int32_t>(output));
    for (std::size_t o = 0; o < chunk; ++o) {
      const Taps& taps = columns.outputs[output + o];
      const std::int32_t first = taps.first * bytes;
      if (o % window == 0) start_.push_back(first);
      // Outputs are less than two pixels apart: a window of 4 pixels an output holds them all, and
      // one of 16 outputs is never longer than 35.
      for (std::size_t j = 0; j < kTaps; ++j, ++at) {
        index_[at] = static_cast<std::uint8_t>(first - start_.back() + taps.offset[j] * bytes);
        weight_[at] = taps.weight[j];
      }
    }
  }
}

}  // namespace lapa_edge
