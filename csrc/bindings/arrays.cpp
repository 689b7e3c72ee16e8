#include "bindings/arrays.hpp"

#include <cstdint>

#include "cuda/device.hpp"

namespace lapa_edge::bindings {
namespace {

// From an array's first byte to behind its last, strides of either sign.
struct ByteRange {
  explicit ByteRange(const py::array& array)
      : begin(reinterpret_cast<std::uintptr_t>(array.data())), end(begin) {
    if (array.size() == 0) return;
    end += static_cast<std::uintptr_t>(array.itemsize());
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
      const py::ssize_t reach = (array.shape(axis) - 1) * array.strides(axis);
      (reach < 0 ? begin : end) += static_cast<std::uintptr_t>(reach);
    }
  }

  std::uintptr_t begin, end;
};

}  // namespace

std::string describe(const py::array& array) {
  std::string text = py::str(array.dtype()).cast<std::string>() + " [";
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    text += (axis == 0 ? "" : ", ") + std::to_string(array.shape(axis));
  }
  return text + "]";
}

std::string describe(double number) {
  return py::str(py::float_(number)).cast<std::string>();
}

void refuse(std::string_view name, std::string_view expected, std::string_view got,
            std::string_view fix) {
  std::string message;
  message.append(name).append(": expected ").append(expected).append(", got ").append(got);
  if (!fix.empty()) message.append("; ").append(fix);
  throw py::value_error(message);
}

void refuse_overlap(std::string_view name, const py::array& array, std::string_view other_name,
                    const py::array& other) {
  const ByteRange bytes(array), others(other);
  if (bytes.begin < others.end && others.begin < bytes.end) {
    refuse(name, "memory of its own", "an array that overlaps " + std::string(other_name));
  }
}

bool wants_cuda(std::string_view device) {
  if (device == "cpu") return false;
  if (device != "cuda") refuse("device", "\"cpu\" or \"cuda\"", "\"" + std::string(device) + "\"");
  cuda::require();
  return true;
}

}  // namespace lapa_edge::bindings
