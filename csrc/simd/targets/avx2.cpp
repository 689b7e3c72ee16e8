#include "action_head/dense_simd.hpp"
#include "nearest_code/search_simd.hpp"
#include "preprocess/resize_simd.hpp"
#include "simd/kernels.hpp"

static_assert(HWY_TARGET == HWY_AVX2);

namespace lapa_edge {

constexpr Kernels kAvx2Kernels{"avx2", dense_kernels(), nearest_code_kernels(), resize_kernels()};

}  // namespace lapa_edge
