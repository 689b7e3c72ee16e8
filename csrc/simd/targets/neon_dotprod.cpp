#include "action_head/dense_simd.hpp"
#include "nearest_code/search_simd.hpp"
#include "preprocess/resize_simd.hpp"
#include "simd/kernels.hpp"

static_assert(LAPA_EDGE_NEON);

namespace lapa_edge {

constexpr Kernels kNeonDotprodKernels{"neon_dotprod", dense_kernels(), nearest_code_kernels(),
                                      resize_kernels()};

}  // namespace lapa_edge
