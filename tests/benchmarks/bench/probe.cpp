// What one core can do at best: read, read and write, multiply. The floors of the benchmark.
//
// probe.py compiles this with the flags of one instruction set and calls it through ctypes. Every
// function does its work `repeats` times; the caller times it. Vectors are GCC's and Clang's own,
// as wide as the flags allow, so that the loops are the same for every set.
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#define IN_REGISTER "+v"
#elif defined(__aarch64__)
#include <arm_neon.h>
#define IN_REGISTER "+w"
#endif

namespace {

#if defined(__AVX512F__)
constexpr std::size_t kVectorBytes = 64, kChains = 16;
#elif defined(__AVX2__)
constexpr std::size_t kVectorBytes = 32, kChains = 12;
#elif defined(__aarch64__)
constexpr std::size_t kVectorBytes = 16, kChains = 16;
#else
constexpr std::size_t kVectorBytes = 16, kChains = 12;
#endif

using Bits = std::int64_t __attribute__((vector_size(kVectorBytes)));
using Floats = float __attribute__((vector_size(kVectorBytes)));
using Ints = std::int32_t __attribute__((vector_size(kVectorBytes)));

// Makes the compiler believe that the register is read and changed here.
template <class Vector>
void keep(Vector& vector) {
  asm volatile("" : IN_REGISTER(vector));
}

// ... and that anything in memory may have changed.
void forget_memory() {
  asm volatile("" ::: "memory");
}

constexpr std::size_t kStreams = 8;

// Reads whole steps of 8 vectors.
void read_all(const Bits* from, std::size_t vectors, Bits (&seen)[kStreams]) {
  for (std::size_t i = 0; i < vectors; i += kStreams) {
    for (std::size_t j = 0; j < kStreams; ++j) seen[j] |= from[i + j];
  }
  for (std::size_t j = 0; j < kStreams; ++j) keep(seen[j]);
}

// Four int8 products added to each int32, the way this set does it.
Ints dot(Ints sum, Ints a, Ints b) {
#if defined(__AVX512VNNI__)
  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)a, (__m256i)b);
  return sum + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__ARM_FEATURE_DOTPROD)
  return (Ints)vdotq_s32((int32x4_t)sum, (int8x16_t)a, (int8x16_t)b);
#elif defined(__aarch64__)
  const int16x8_t low = vmull_s8(vget_low_s8((int8x16_t)a), vget_low_s8((int8x16_t)b));
  return (Ints)vpadalq_s16((int32x4_t)sum, vmlal_high_s8(low, (int8x16_t)a, (int8x16_t)b));
#else
  return sum + a * b;
#endif
}

}  // namespace

extern "C" {

/// Bytes that the sizes below must be multiples of.
std::size_t probe_step() {
  return kStreams * kVectorBytes;
}

void probe_read(const void* from, std::size_t bytes, std::size_t repeats) {
  Bits seen[kStreams] = {};
  for (std::size_t r = 0; r < repeats; ++r) {
    read_all(static_cast<const Bits*>(from), bytes / kVectorBytes, seen);
    forget_memory();
  }
}

/// Reads and writes in turn, in `pieces` parts, as a kernel does row by row.
void probe_move(const void* from, std::size_t read_bytes, void* to, std::size_t written_bytes,
                std::size_t pieces, std::size_t repeats) {
  const std::size_t steps = read_bytes / probe_step(), written = written_bytes / kVectorBytes;
  for (std::size_t r = 0; r < repeats; ++r) {
    Bits seen[kStreams] = {};
    for (std::size_t p = 0; p < pieces; ++p) {
      const std::size_t first = steps * p / pieces, last = steps * (p + 1) / pieces;
      read_all(static_cast<const Bits*>(from) + first * kStreams, (last - first) * kStreams, seen);
      for (std::size_t i = written * p / pieces; i < written * (p + 1) / pieces; ++i) {
        static_cast<Bits*>(to)[i] = seen[0];
      }
    }
    forget_memory();
  }
}

/// At least `products` float32 multiply-adds in registers; compile with -ffp-contract=fast.
void probe_multiply(std::size_t products, std::size_t repeats) {
  Floats sum[kChains], a = {}, b = {};
  for (Floats& chain : sum) chain = a;
  constexpr std::size_t per_step = kChains * kVectorBytes / sizeof(float);
  for (std::size_t r = 0; r < repeats; ++r) {
    for (std::size_t i = 0; i < products; i += per_step) {
      for (Floats& chain : sum) {
        keep(a), keep(b);  // else the product would be taken once for all
        chain += a * b;
      }
    }
    for (Floats& chain : sum) keep(chain);
  }
}

/// At least `products` int8 multiply-adds in registers.
void probe_dot(std::size_t products, std::size_t repeats) {
  Ints sum[kChains], a = {}, b = {};
  for (Ints& chain : sum) chain = a;
  constexpr std::size_t per_step = kChains * kVectorBytes;
  for (std::size_t r = 0; r < repeats; ++r) {
    for (std::size_t i = 0; i < products; i += per_step) {
      for (Ints& chain : sum) {
        keep(a), keep(b);
        chain = dot(chain, a, b);
      }
    }
    for (Ints& chain : sum) keep(chain);
  }
}

}  // extern "C"
