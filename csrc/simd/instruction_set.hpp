// Which vector instructions run: the best this CPU has, unless a test asks for others.
//
// One wheel carries every set; each lives in a translation unit of its own in simd/targets/, and
// only those may be compiled with flags beyond the architecture's baseline.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace lapa_edge {

enum class InstructionSet {
  scalar,        // any CPU
  avx2,          // x86-64-v3: AVX2 and FMA
  avx512,        // F, BW, CD, DQ, VL, VNNI, VBMI: Ice Lake, Zen 4 and later
  neon,          // any 64-bit ARM
  neon_dotprod,  // ARMv8.2 with dot products: Cortex-A76, Orin, Thor
};

std::string_view name_of(InstructionSet set) noexcept;

/// By name; empty for a word that names none.
std::optional<InstructionSet> instruction_set_named(std::string_view name) noexcept;

/// Those that this build has and this CPU runs, the fastest last; never empty.
std::vector<InstructionSet> runnable_instruction_sets();

/// The set whose kernels run from now on, everywhere; the fastest until somebody chooses.
InstructionSet active_instruction_set() noexcept;

/// Must be one of the runnable ones. Objects that packed their weights for another set keep it.
void choose_instruction_set(InstructionSet set) noexcept;

}  // namespace lapa_edge
