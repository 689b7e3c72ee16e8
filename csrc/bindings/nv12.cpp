#include "bindings/nv12.hpp"

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/register.hpp"
#include "bindings/words.hpp"

namespace lapa_edge::bindings {
namespace {

py::array_t<std::uint8_t> bound_nv12_to_rgb(const py::array& image, const std::string& standard,
                                            const std::string& range) {
  constexpr const char* kExpected = "uint8 [height * 3 / 2, width], height and width even";
  const Array<std::uint8_t> frame = contiguous<std::uint8_t>("image", image, 2, kExpected);
  const py::ssize_t height = frame.shape(0) / 3 * 2, width = frame.shape(1);
  if (frame.shape(0) % 3 != 0 || height < 2 || width < 2 || width % 2 != 0) {
    refuse("image", kExpected, describe(image));
  }
  const YuvMatrix matrix = choose_matrix(standard, range);
  py::array_t<std::uint8_t> pixels({height, width, py::ssize_t{3}});
  const std::uint8_t* const from = frame.data();
  std::uint8_t* const to = pixels.mutable_data();
  {
    const GilReleased released;
    nv12_to_rgb(from, static_cast<std::size_t>(height), static_cast<std::size_t>(width), matrix,
                to);
  }
  return pixels;
}

}  // namespace

YuvMatrix choose_matrix(const std::string& standard, const std::string& range) {
  constexpr Word kStandards[] = {{"bt601", int(YuvStandard::bt601)},
                                 {"bt709", int(YuvStandard::bt709)}};
  constexpr Word kRanges[] = {{"limited", int(YuvRange::limited)}, {"full", int(YuvRange::full)}};
  return yuv_matrix(choose<YuvStandard>("standard", standard, kStandards),
                    choose<YuvRange>("range", range, kRanges));
}

void register_nv12(py::module_& module) {
  module.def("nv12_to_rgb", &bound_nv12_to_rgb, py::arg("image"), py::kw_only(),
             py::arg("standard") = "bt601", py::arg("range") = "limited");
}

}  // namespace lapa_edge::bindings
