// An axis' taps as the column kernels read them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.hpp"
#include "preprocess/resize_axis.hpp"

namespace lapa_edge {

/// Chunks of `chunk` outputs, of which `window` in a row share a window. The axis has at least
/// `chunk` outputs.
class ColumnTables {
 public:
  ColumnTables(const ResizeAxis& columns, std::size_t chunk, std::size_t window);

  ColumnView view() const noexcept {
    return {output_.size(), window_bytes_, output_.data(),
            start_.data(),  index_.data(), weight_.data()};
  }

 private:
  std::size_t window_bytes_ = 0;
  std::vector<std::int32_t> output_, start_;
  AlignedBuffer<std::uint8_t> index_, weight_;
};

}  // namespace lapa_edge
