#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "simd/instruction_set.hpp"
#include "simd/kernels.hpp"

namespace lapa_edge::bindings {
namespace {

std::vector<std::string> runnable_names() {
  std::vector<std::string> names;
  for (const InstructionSet set : runnable_instruction_sets()) names.emplace_back(name_of(set));
  return names;
}

void choose_by_name(const std::string& name) {
  const std::optional<InstructionSet> asked = instruction_set_named(name);
  for (const InstructionSet set : runnable_instruction_sets()) {
    if (set == asked) return choose_instruction_set(set);
  }
  std::string known;
  for (const std::string& runnable : runnable_names()) {
    known += (known.empty() ? "" : ", ") + runnable;
  }
  refuse("instruction set", "one that this CPU runs (" + known + ")", "\"" + name + "\"");
}

}  // namespace

void register_instruction_sets(py::module_& module) {
  module.def("instruction_sets", &runnable_names);
  // Not what was asked for, but what runs.
  module.def("active_instruction_set", [] { return std::string(kernels().name); });
  module.def("choose_instruction_set", &choose_by_name, py::arg("name"));
}

}  // namespace lapa_edge::bindings
