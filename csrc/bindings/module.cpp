// The Python module lapa_edge._native. Signatures and docstrings for users: lapa_edge/_native.pyi.
#include "bindings/register.hpp"
#include "cuda/device.hpp"

PYBIND11_MODULE(_native, module) {
  module.doc() = "Kernels of the robot's runtime; see _native.pyi for shapes and errors.";
  module.def("built_with_cuda", &lapa_edge::built_with_cuda);
  module.def("cuda_available", &lapa_edge::cuda::available);
  lapa_edge::bindings::register_instruction_sets(module);
  lapa_edge::bindings::register_nearest_code(module);
  lapa_edge::bindings::register_action_head(module);
  lapa_edge::bindings::register_preprocess(module);
  lapa_edge::bindings::register_control_loop(module);
  lapa_edge::bindings::register_cuda_preprocess(module);
  lapa_edge::bindings::register_nv12(module);
}
