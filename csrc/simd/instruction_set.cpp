#include "simd/instruction_set.hpp"

#include <array>
#include <atomic>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace lapa_edge {
namespace {

struct Named {
  InstructionSet set;
  std::string_view name;
};

// The slower before the faster, within one architecture.
constexpr std::array<Named, 5> kAll{{
    {InstructionSet::scalar, "scalar"},
    {InstructionSet::avx2, "avx2"},
    {InstructionSet::avx512, "avx512"},
    {InstructionSet::neon, "neon"},
    {InstructionSet::neon_dotprod, "neon_dotprod"},
}};

// The compiler's own question also asks whether the operating system saves the wide registers.
bool cpu_runs(InstructionSet set) noexcept {
  switch (set) {
    case InstructionSet::scalar:
      return true;
#if defined(__x86_64__)
    case InstructionSet::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2");
    case InstructionSet::avx512:
      return cpu_runs(InstructionSet::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
#elif defined(__aarch64__)
    case InstructionSet::neon:
      return true;
    case InstructionSet::neon_dotprod:
      return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    default:
      return false;
  }
}

std::atomic<InstructionSet>& active() noexcept {
  static std::atomic<InstructionSet> set{runnable_instruction_sets().back()};
  return set;
}

}  // namespace

std::string_view name_of(InstructionSet set) noexcept {
  for (const Named& known : kAll) {
    if (known.set == set) return known.name;
  }
  return "";
}

std::optional<InstructionSet> instruction_set_named(std::string_view name) noexcept {
  for (const Named& known : kAll) {
    if (known.name == name) return known.set;
  }
  return std::nullopt;
}

std::vector<InstructionSet> runnable_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const Named& known : kAll) {
    if (cpu_runs(known.set)) sets.push_back(known.set);
  }
  return sets;
}

InstructionSet active_instruction_set() noexcept {
  return active().load(std::memory_order_relaxed);
}

void choose_instruction_set(InstructionSet set) noexcept {
  active().store(set, std::memory_order_relaxed);
}

}  // namespace lapa_edge
