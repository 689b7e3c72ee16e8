#include "action_head/action_head.hpp"

#include <pybind11/stl.h>

#include "bindings/bound_head.hpp"
#include "bindings/head_step.hpp"
#include "bindings/register.hpp"

namespace lapa_edge::bindings {

void register_action_head(py::module_& module) {
  using Head = BoundActionHead;
  py::class_<Head>(module, "ActionHead")
      .def(py::init<const py::dict&, const std::string&, const std::optional<py::dict>&,
                    py::ssize_t, const std::string&, bool, double>(),
           py::arg("weights"), py::kw_only(), py::arg("precision") = "f32",
           py::arg("calibration") = py::none(), py::arg("prefix") = 0, py::arg("device") = "cpu",
           py::arg("persistent") = false, py::arg("timeout_s") = 0.1)
      .def_property_readonly("input_size", [](const Head& head) { return head.shape().input; })
      .def_property_readonly("output_size", [](const Head& head) { return head.shape().output; })
      .def_property_readonly("width", [](const Head& head) { return head.shape().width; })
      .def_property_readonly("blocks", [](const Head& head) { return head.shape().blocks; })
      .def_property_readonly("gated", [](const Head& head) { return head.shape().gated; })
      .def_property_readonly("precision", &Head::precision)
      .def_property_readonly("prefix", &Head::prefix)
      .def("forward", &Head::forward, py::arg("x"))
      .def("forward_into", &Head::forward_into, py::arg("x"), py::arg("out"))
      .def("bind", &bind_head, py::arg("x"), py::arg("out"))
      .def("bind_rest", &bind_head_rest, py::arg("prefix"), py::arg("rest"), py::arg("out"));
  register_head_step(module);
}

}  // namespace lapa_edge::bindings
