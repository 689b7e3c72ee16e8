#include "nearest_code/nearest_code.hpp"

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"

namespace lapa_edge::bindings {
namespace {

void check_result(const NearestCodeResult& result) {
  const std::string row = "row " + std::to_string(result.row);
  switch (result.status) {
    case NearestCodeStatus::ok:
      return;
    case NearestCodeStatus::x_not_finite:
      refuse("x", "finite values", "NaN or infinity in " + row);
    case NearestCodeStatus::codebook_not_finite:
      refuse("codebook", "finite values", "NaN or infinity in " + row);
    case NearestCodeStatus::distance_overflow:
      refuse("x", "values near the codebook", row + " at a distance beyond float32 from every code",
             "normalise x as the codebook was trained");
  }
}

py::array_t<std::int32_t> bound_nearest_code(const py::array& x, const py::array& codebook,
                                             const std::string& device) {
  const Array<float> rows = contiguous<float>("x", x, 2, "float32 [m, d]");
  const std::string expected =
      "float32 [k, " + std::to_string(rows.shape(1)) + "] with k and d at least 1, as x has d";
  const Array<float> codes = contiguous<float>("codebook", codebook, 2, expected);
  const std::size_t m = rows.shape(0), k = codes.shape(0), d = codes.shape(1);
  if (k == 0 || d == 0 || codes.shape(1) != rows.shape(1)) {
    refuse("codebook", expected, describe(codebook));
  }

  const bool on_cuda = wants_cuda(device);
  py::array_t<std::int32_t> nearest(rows.shape(0));
  NearestCodeResult result;
  {
    const float *x_data = rows.data(), *codebook_data = codes.data();
    std::int32_t* nearest_data = nearest.mutable_data();
    const py::gil_scoped_release release;
    result = on_cuda ? cuda::nearest_code(x_data, codebook_data, m, k, d, nearest_data)
                     : nearest_code(x_data, codebook_data, m, k, d, nearest_data);
  }
  check_result(result);
  return nearest;
}

}  // namespace

void register_nearest_code(py::module_& module) {
  module.def("nearest_code", &bound_nearest_code, py::arg("x"), py::arg("codebook"), py::kw_only(),
             py::arg("device") = "cpu");
}

}  // namespace lapa_edge::bindings
