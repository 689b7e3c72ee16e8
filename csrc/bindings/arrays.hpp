// numpy arrays at the border: what is refused, and in which words.
//
// Every message follows one form: `name: expected ..., got ...; what to do`.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

namespace lapa_edge::bindings {

namespace py = pybind11;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

/// What the kernels can read in place: C-contiguous and aligned.
constexpr int kPlainLayout = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};

/// `float32 [3, 224, 224]`
std::string describe(const py::array& array);

/// `1e-07`, as Python prints it.
std::string describe(double number);

/// Throws py::value_error in the form above; `fix` may be empty.
[[noreturn]] void refuse(std::string_view name, std::string_view expected, std::string_view got,
                         std::string_view fix = "");

/// Refuses `array` where it shares memory with `other`; where rows interleave, too.
void refuse_overlap(std::string_view name, const py::array& array, std::string_view other_name,
                    const py::array& other);

/// The array as aligned C-contiguous memory, copied where it is not; any other dtype or number of
/// axes is refused. `expected` says the whole rule: `float32 [m, 32]`.
template <typename T>
Array<T> contiguous(std::string_view name, const py::array& array, py::ssize_t axes,
                    std::string_view expected, std::string_view fix = "") {
  if (!py::isinstance<py::array_t<T>>(array) || array.ndim() != axes) {
    refuse(name, expected, describe(array), fix);
  }
  return py::array_t<T, kPlainLayout>(array);
}

/// Whether `device` is "cuda". Throws py::value_error for a word that is neither "cpu" nor "cuda",
/// and std::runtime_error where no CUDA device answers.
bool wants_cuda(std::string_view device);

}  // namespace lapa_edge::bindings
