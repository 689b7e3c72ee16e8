#include "bindings/arrays.hpp"

#include "cuda/device.hpp"

namespace lapa_edge::bindings {

std::string describe(const py::array& array) {
  std::string text = py::str(array.dtype()).cast<std::string>() + " [";
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    text += (axis == 0 ? "" : ", ") + std::to_string(array.shape(axis));
  }
  return text + "]";
}

void refuse(std::string_view name, std::string_view expected, std::string_view got,
            std::string_view fix) {
  std::string message;
  message.append(name).append(": expected ").append(expected).append(", got ").append(got);
  if (!fix.empty()) message.append("; ").append(fix);
  throw py::value_error(message);
}

bool wants_cuda(std::string_view device) {
  if (device == "cpu") return false;
  if (device != "cuda") refuse("device", "\"cpu\" or \"cuda\"", "\"" + std::string(device) + "\"");
  cuda::require();
  return true;
}

}  // namespace lapa_edge::bindings
