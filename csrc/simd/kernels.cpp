#include "simd/kernels.hpp"

#include "simd/instruction_set.hpp"

namespace lapa_edge {

const Kernels& kernels_of(InstructionSet set) noexcept {
  switch (set) {
#if defined(__x86_64__)
    case InstructionSet::avx2:
      return kAvx2Kernels;
    case InstructionSet::avx512:
      return kAvx512Kernels;
#elif defined(__aarch64__)
    case InstructionSet::neon:
      return kNeonKernels;
    case InstructionSet::neon_dotprod:
      return kNeonDotprodKernels;
#endif
    default:
      return kScalarKernels;
  }
}

const Kernels& kernels() noexcept {
  return kernels_of(active_instruction_set());
}

}  // namespace lapa_edge
