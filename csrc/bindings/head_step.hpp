// A head bound to its arrays: `step()` takes no arguments and checks nothing but what it computes.
//
// A Python type of its own, in CPython's terms: a call costs a tenth of what pybind11's dispatch
// does, which is as long as a small head runs.
#pragma once

#include "bindings/arrays.hpp"

namespace lapa_edge::bindings {

/// Adds the type HeadStep to the module; must run before the two functions below.
void register_head_step(py::module_& module);

/// A HeadStep for whole passes of a BoundActionHead: `x` [in] to `out` [out].
py::object bind_head(const py::object& head, const py::array& x, py::array out);

/// One for passes that continue from the prefix, which `refresh()` alone reads: `prefix` [prefix]
/// and `rest` [in - prefix] to `out` [out].
py::object bind_head_rest(const py::object& head, const py::array& prefix, const py::array& rest,
                          py::array out);

}  // namespace lapa_edge::bindings
