// Float vectors of the instruction set that this file is compiled for, by Google Highway.
//
// Included by simd/targets/*.cpp alone, through the *_simd.hpp headers. Everything there stands in
// an unnamed namespace and takes nothing from the standard library: an inline function that two
// translation units share could be kept in its AVX-512 form and crash an older CPU.
#pragma once

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

// Newer Highway tells the NEON of CPUs with AES from that of CPUs without; here the two are one.
#ifdef HWY_NEON_WITHOUT_AES
#define LAPA_EDGE_NEON (HWY_TARGET == HWY_NEON || HWY_TARGET == HWY_NEON_WITHOUT_AES)
#else
#define LAPA_EDGE_NEON (HWY_TARGET == HWY_NEON)
#endif

namespace lapa_edge {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using Floats = hn::Vec<FloatTag>;
using IntTag = hn::ScalableTag<std::int32_t>;
using Ints = hn::Vec<IntTag>;

constexpr std::size_t kLanes = hn::MaxLanes(FloatTag());

/// a * b + c, rounded once, on every instruction set: this is what makes the bits agree.
HWY_INLINE Floats fused(Floats a, Floats b, Floats c) {
#if HWY_TARGET == HWY_SCALAR
  return Floats(__builtin_fmaf(a.raw, b.raw, c.raw));
#else
  static_assert(HWY_NATIVE_FMA, "this instruction set has no fused multiply-add");
  return hn::MulAdd(a, b, c);
#endif
}

}  // namespace
}  // namespace lapa_edge
