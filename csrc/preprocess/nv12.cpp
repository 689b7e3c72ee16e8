#include "preprocess/nv12.hpp"

namespace lapa_edge {

void nv12_to_rgb(const std::uint8_t* frame, std::size_t height, std::size_t width,
                 const YuvMatrix& matrix, std::uint8_t* pixels) noexcept {
  const std::uint8_t* const chroma = frame + height * width;
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x, pixels += 3) {
      const std::uint8_t* const uv = chroma + y / 2 * width + x / 2 * 2;
      const Rgb rgb = yuv_to_rgb(matrix, frame[y * width + x], uv[0], uv[1]);
      pixels[0] = rgb.red;
      pixels[1] = rgb.green;
      pixels[2] = rgb.blue;
    }
  }
}

}  // namespace lapa_edge
