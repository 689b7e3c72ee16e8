// Each concept adds its functions to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace lapa_edge::bindings {

void register_action_head(pybind11::module_& module);
void register_control_loop(pybind11::module_& module);
void register_cuda_preprocess(pybind11::module_& module);
void register_instruction_sets(pybind11::module_& module);
void register_nearest_code(pybind11::module_& module);
void register_nv12(pybind11::module_& module);
void register_preprocess(pybind11::module_& module);

}  // namespace lapa_edge::bindings
