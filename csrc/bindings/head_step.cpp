#include "bindings/head_step.hpp"

#include <new>
#include <utility>

#include "bindings/bound_head.hpp"

namespace lapa_edge::bindings {
namespace {

// Everything a step needs, checked once.
struct Binding {
  py::object owner, prefix_array, x_array, out_array;  // alive as long as this
  BoundActionHead* head;
  bool split;
  const float *prefix, *x;
  float* out;
  HeadResult result{};

  bool step() {
    if (split) {
      result = head->run([this](auto&) { return head->on_cpu()->forward_rest(x, out); });
    } else {
      result = head->run(WholePass{x, out, 1});
    }
    return result.status == HeadStatus::ok;
  }

  bool refresh() {
    if (!split) return true;  // a whole pass reads everything anyway
    result = head->run([this](auto&) { return head->on_cpu()->set_prefix(prefix); });
    return result.status == HeadStatus::ok;
  }

  void check_step() const {
    const HeadShape& shape = head->shape();
    const std::size_t inputs = split ? shape.input - head->prefix() : shape.input;
    check_result(result, split ? "rest" : "x", inputs, shape.output);
  }

  void check_refresh() const { check_result(result, "prefix", head->prefix(), 1); }
};

struct HeadStep {
  PyObject base;
  Binding binding;
};

Binding& binding_of(PyObject* self) {
  return reinterpret_cast<HeadStep*>(self)->binding;
}

// Runs a method's body; what it throws becomes Python's exception.
template <typename Body>
PyObject* guarded(Body body) noexcept {
  try {
    return body();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyObject* none() {
  Py_INCREF(Py_None);
  return Py_None;
}

PyObject* step(PyObject* self, PyObject*) {
  return guarded([self] {
    Binding& binding = binding_of(self);
    if (!binding.step()) binding.check_step();
    return none();
  });
}

PyObject* try_step(PyObject* self, PyObject*) {
  return guarded([self] { return PyBool_FromLong(binding_of(self).step()); });
}

PyObject* refresh(PyObject* self, PyObject*) {
  return guarded([self] {
    Binding& binding = binding_of(self);
    if (!binding.refresh()) binding.check_refresh();
    return none();
  });
}

PyObject* try_refresh(PyObject* self, PyObject*) {
  return guarded([self] { return PyBool_FromLong(binding_of(self).refresh()); });
}

PyObject* status(PyObject* self, void*) {
  switch (binding_of(self).result.status) {
    case HeadStatus::input_not_finite:
      return PyUnicode_FromString("input_not_finite");
    case HeadStatus::output_not_finite:
      return PyUnicode_FromString("output_not_finite");
    case HeadStatus::prefix_not_set:
      return PyUnicode_FromString("prefix_not_set");
    case HeadStatus::device_silent:
      return PyUnicode_FromString("device_silent");
    case HeadStatus::device_failed:
      return PyUnicode_FromString("device_failed");
    default:
      return PyUnicode_FromString("ok");
  }
}

void free_step(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  binding_of(self).~Binding();
  type->tp_free(self);
  Py_DECREF(type);  // as an instance of a type made at run time must
}

PyTypeObject* head_step_type = nullptr;

py::object make_step(Binding binding) {
  PyObject* const self = head_step_type->tp_alloc(head_step_type, 0);
  if (self == nullptr) throw py::error_already_set();
  new (&binding_of(self)) Binding(std::move(binding));
  return py::reinterpret_steal<py::object>(self);
}

}  // namespace

void register_head_step(py::module_& module) {
  static PyMethodDef methods[] = {{"step", step, METH_NOARGS, nullptr},
                                  {"try_step", try_step, METH_NOARGS, nullptr},
                                  {"refresh", refresh, METH_NOARGS, nullptr},
                                  {"try_refresh", try_refresh, METH_NOARGS, nullptr},
                                  {}};
  static PyGetSetDef properties[] = {{"status", status, nullptr, nullptr, nullptr}, {}};
  static PyType_Slot slots[] = {{Py_tp_methods, methods},
                                {Py_tp_getset, properties},
                                {Py_tp_dealloc, reinterpret_cast<void*>(free_step)},
                                {}};
  static PyType_Spec spec{"lapa_edge._native.HeadStep", sizeof(HeadStep), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  head_step_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  module.attr("HeadStep") = type;
}

py::object bind_head(const py::object& head, const py::array& x, py::array out) {
  auto& bound = head.cast<BoundActionHead&>();
  check_vector("x", x, bound.shape().input);
  check_out(out, bound.shape().output);
  auto* const y = static_cast<float*>(out.mutable_data());
  return make_step(
      {head, {}, x, out, &bound, false, nullptr, static_cast<const float*>(x.data()), y});
}

py::object bind_head_rest(const py::object& head, const py::array& prefix, const py::array& rest,
                          py::array out) {
  auto& bound = head.cast<BoundActionHead&>();
  if (bound.on_cpu() == nullptr) refuse("device", "\"cpu\" for bind_rest", "\"cuda\"");
  check_vector("prefix", prefix, bound.prefix());
  check_vector("rest", rest, bound.shape().input - bound.prefix());
  check_out(out, bound.shape().output);
  auto* const y = static_cast<float*>(out.mutable_data());
  return make_step({head, prefix, rest, out, &bound, true, static_cast<const float*>(prefix.data()),
                    static_cast<const float*>(rest.data()), y});
}

}  // namespace lapa_edge::bindings
