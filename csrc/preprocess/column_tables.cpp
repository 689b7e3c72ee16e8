#include "preprocess/column_tables.hpp"

#include <algorithm>

namespace lapa_edge {

ColumnTables::ColumnTables(const ResizeAxis& columns, std::size_t chunk, std::size_t window) {
  const std::size_t outputs = columns.outputs.size(), chunks = (outputs + chunk - 1) / chunk;
  index_ = AlignedBuffer<std::uint8_t>(chunks * chunk * kTaps);
  weight_ = AlignedBuffer<std::uint8_t>(chunks * chunk * kTaps);
  std::size_t at = 0;
  for (std::size_t done = 0; done < outputs; done += chunk) {
    const std::size_t output = std::min(done, outputs - chunk);
    output_.push_back(static_cast<std::int32_t>(output));
    for (std::size_t o = 0; o < chunk; ++o) {
      const Taps& taps = columns.outputs[output + o];
      if (o % window == 0) start_.push_back(taps.first);
      // Outputs are less than two pixels apart: a window of 4 bytes an output holds them all.
      const std::int32_t from_start = taps.first - start_.back();
      for (std::size_t j = 0; j < kTaps; ++j, ++at) {
        index_[at] = static_cast<std::uint8_t>(from_start + taps.offset[j]);
        weight_[at] = taps.weight[j];
        window_bytes_ = std::max(window_bytes_, index_[at] + std::size_t{1});
      }
    }
  }
}

}  // namespace lapa_edge
