#include "nearest_code/nearest_code.hpp"

#include <algorithm>
#include <initializer_list>
#include <variant>

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/register.hpp"
#include "nearest_code/codebook.hpp"
#include "nearest_code/cuda_codebook.hpp"

namespace lapa_edge::bindings {
namespace {

void check_result(const NearestCodeResult& result) {
  if (result.status == NearestCodeStatus::ok) return;
  const bool in_x = result.status == NearestCodeStatus::x_not_finite;
  refuse(in_x ? "x" : "codebook", "finite values",
         "NaN or infinity in row " + std::to_string(result.row));
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
    const GilReleased released;
    result = on_cuda ? cuda::nearest_code(x_data, codebook_data, m, k, d, nearest_data)
                     : nearest_code(x_data, codebook_data, m, k, d, nearest_data);
  }
  check_result(result);
  return nearest;
}

// Releasing the GIL costs as much as quantizing two tokens, and taking it again may wait; so it is
// released where a lookup takes about 10 us or more: this many products, or the way to the GPU.
constexpr std::size_t kProductsWorthReleasing = std::size_t{1} << 20;

template <class Lookup>
void run(std::size_t products, const Lookup& lookup) {
  NearestCodeResult result;
  if (products < kProductsWorthReleasing) {
    result = lookup();
  } else {
    const GilReleased released;
    result = lookup();
  }
  check_result(result);
}

// A codebook on whichever device.
struct BoundCodebook {
  std::variant<Codebook, cuda::Codebook> on;

  std::size_t size() const {
    return std::visit([](const auto& codebook) { return codebook.size(); }, on);
  }
  std::size_t width() const {
    return std::visit([](const auto& codebook) { return codebook.width(); }, on);
  }
  // Of a lookup of m rows, to weigh whether the GIL is worth releasing.
  std::size_t products(std::size_t m) const {
    const bool on_cuda = std::holds_alternative<cuda::Codebook>(on);
    return on_cuda ? kProductsWorthReleasing : m * width() * size();
  }
  NearestCodeResult nearest(const float* x, std::size_t m, std::int32_t* codes) const {
    return std::visit([=](const auto& codebook) { return codebook.nearest(x, m, codes); }, on);
  }
  NearestCodeResult quantize(const float* x, std::size_t m, std::int32_t* codes,
                             float* latents) const {
    return std::visit([=](const auto& book) { return book.quantize(x, m, codes, latents); }, on);
  }
};

BoundCodebook build_codebook(const py::array& codebook, const std::string& device) {
  const std::string expected = "float32 [k, d] with k and d at least 1";
  const Array<float> codes = contiguous<float>("codebook", codebook, 2, expected);
  const std::size_t k = codes.shape(0), d = codes.shape(1);
  if (k == 0 || d == 0) refuse("codebook", expected, describe(codebook));
  check_result(check_nearest_code(nullptr, codes.data(), 0, k, d));
  if (wants_cuda(device)) return {cuda::Codebook(codes.data(), k, d)};
  return {Codebook(codes.data(), k, d)};
}

py::array_t<std::int32_t> nearest(const BoundCodebook& codebook, const py::array& x) {
  const auto d = static_cast<py::ssize_t>(codebook.width());
  if (!py::isinstance<py::array_t<float>>(x) || x.ndim() != 2 || x.shape(1) != d) {
    refuse("x", "float32 [m, " + std::to_string(d) + "]", describe(x));
  }
  const bool plain = (x.flags() & kPlainLayout) == kPlainLayout;
  const py::array rows = plain ? x : py::array_t<float, kPlainLayout>(x);
  const std::size_t m = rows.shape(0);
  py::array_t<std::int32_t> codes(rows.shape(0));
  const auto* x_data = static_cast<const float*>(rows.data());
  std::int32_t* codes_data = codes.mutable_data();
  run(codebook.products(m), [&] { return codebook.nearest(x_data, m, codes_data); });
  return codes;
}

// What a step reads and writes in place may not be copied, so an array that would need it is
// refused.
template <typename T>
void check_in_place(const char* name, const py::array& array, const std::string& expected,
                    std::initializer_list<py::ssize_t> shape) {
  if (!py::isinstance<py::array_t<T>>(array) ||
      !std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim())) {
    refuse(name, expected, describe(array));
  }
  if ((array.flags() & kPlainLayout) != kPlainLayout) {
    refuse(name, "a contiguous array", "one with strides", "pass np.ascontiguousarray(...)");
  }
}

// A function without arguments that quantizes `x` where it lies. It keeps its arrays alive.
py::cpp_function bind(const py::object& self, const py::array& x, py::array& codes,
                      py::array& latents) {
  const auto& codebook = self.cast<const BoundCodebook&>();
  const auto d = static_cast<py::ssize_t>(codebook.width());
  const std::string width = std::to_string(d) + "]";
  if (x.ndim() != 2) refuse("x", "float32 [n, " + width, describe(x));
  const py::ssize_t n = x.shape(0);
  const std::string rows = "float32 [" + std::to_string(n) + ", " + width;
  check_in_place<float>("x", x, rows, {n, d});
  check_in_place<std::int32_t>("codes", codes, "int32 [" + std::to_string(n) + "]", {n});
  check_in_place<float>("latents", latents, rows, {n, d});
  if (!codes.writeable()) refuse("codes", "a writeable array", "a read-only one");
  if (!latents.writeable()) refuse("latents", "a writeable array", "a read-only one");
  refuse_overlap("codes", codes, "x", x);
  refuse_overlap("latents", latents, "x", x);
  refuse_overlap("latents", latents, "codes", codes);

  struct Bound {
    py::object codebook, x, codes, latents;
  };
  const auto* x_data = static_cast<const float*>(x.data());
  auto* codes_data = static_cast<std::int32_t*>(codes.mutable_data());
  auto* latents_data = static_cast<float*>(latents.mutable_data());
  const std::size_t m = n, products = codebook.products(m);
  return py::cpp_function([=, &codebook, alive = Bound{self, x, codes, latents}] {
    run(products, [&] { return codebook.quantize(x_data, m, codes_data, latents_data); });
  });
}

}  // namespace

void register_nearest_code(py::module_& module) {
  module.def("nearest_code", &bound_nearest_code, py::arg("x"), py::arg("codebook"), py::kw_only(),
             py::arg("device") = "cpu");
  py::class_<BoundCodebook>(module, "Codebook")
      .def(py::init(&build_codebook), py::arg("codebook"), py::kw_only(), py::arg("device") = "cpu")
      .def_property_readonly("size", &BoundCodebook::size)
      .def_property_readonly("width", &BoundCodebook::width)
      .def("nearest", &nearest, py::arg("x"))
      .def("bind", &bind, py::arg("x"), py::arg("codes"), py::arg("latents"));
}

}  // namespace lapa_edge::bindings
