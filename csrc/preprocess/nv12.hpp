// NV12, as cameras and video decoders give it, to red, green and blue.
//
// A frame is its luma, uint8 [height, width], then its chroma, uint8 [height / 2, width / 2, 2]: u
// and v of each square of four pixels, which all four take as it is. In 16-bit fixed point, halves
// up:
//
//   red   = luma (y - black) + red_v (v - 128)
//   green = luma (y - black) - green_u (u - 128) - green_v (v - 128)
//   blue  = luma (y - black) + blue_u (u - 128)
//
// each cut to 0 .. 255. Source of the factors: ITU-R BT.601-7 and BT.709-6, section 3.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.hpp"

namespace lapa_edge {

/// Which primaries: BT.601 from most cameras, BT.709 from most HD video.
enum class YuvStandard { bt601, bt709 };

/// Which values black and white have: 16 and 235, or 0 and 255.
enum class YuvRange { limited, full };

/// The factors above, times 65536.
struct YuvMatrix {
  std::int32_t black, luma, red_v, green_u, green_v, blue_u;
};

constexpr YuvMatrix yuv_matrix(YuvStandard standard, YuvRange range) noexcept {
  if (standard == YuvStandard::bt601) {
    return range == YuvRange::limited ? YuvMatrix{16, 76309, 104597, 25675, 53279, 132201}
                                      : YuvMatrix{0, 65536, 91881, 22553, 46802, 116130};
  }
  return range == YuvRange::limited ? YuvMatrix{16, 76309, 117489, 13975, 34925, 138438}
                                    : YuvMatrix{0, 65536, 103206, 12276, 30679, 121609};
}

struct Rgb {
  std::uint8_t red, green, blue;
};

LAPA_EDGE_HOST_DEVICE inline std::uint8_t cut_to_pixel(std::int32_t fixed) noexcept {
  const std::int32_t pixel = (fixed + (1 << 15)) >> 16;
  return static_cast<std::uint8_t>(pixel < 0 ? 0 : pixel > 255 ? 255 : pixel);
}

LAPA_EDGE_HOST_DEVICE inline Rgb yuv_to_rgb(const YuvMatrix& matrix, std::uint8_t y, std::uint8_t u,
                                            std::uint8_t v) noexcept {
  const std::int32_t luma = matrix.luma * (y - matrix.black), du = u - 128, dv = v - 128;
  return {cut_to_pixel(luma + matrix.red_v * dv),
          cut_to_pixel(luma - matrix.green_u * du - matrix.green_v * dv),
          cut_to_pixel(luma + matrix.blue_u * du)};
}

/// `frame` [height * 3 / 2, width] to `pixels` [height, width, 3]; both sides even.
void nv12_to_rgb(const std::uint8_t* frame, std::size_t height, std::size_t width,
                 const YuvMatrix& matrix, std::uint8_t* pixels) noexcept;

}  // namespace lapa_edge
