#include "action_head/dense_simd.hpp"
#include "simd/kernels.hpp"

static_assert(HWY_ARCH_ARM_A64 && lapa_edge::kLanes == 4);

namespace lapa_edge {

constexpr Kernels kNeonDotprodKernels{dense_kernels()};

}  // namespace lapa_edge
