// An axis' taps as the column kernels read them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "preprocess/resize_axis.hpp"

namespace lapa_edge {

/// Chunks of `chunk` outputs, of which `window` in a row share a window, in rows whose pixels are
/// `pixel_bytes` apart. The axis has at least `chunk` outputs.
class ColumnTables {
 public:
  ColumnTables(const ResizeAxis& columns, std::size_t chunk, std::size_t window,
               std::size_t pixel_bytes);

  ColumnView view() const noexcept {
    return {output_.size(), output_.data(), start_.data(), index_.data(), weight_.data()};
  }

 private:
  std::vector<std::int32_t> output_, start_;
  AlignedBuffer<std::uint8_t> index_, weight_;
};

}  // namespace lapa_edge
