// The search on the GPU: every distance in float32, then the definition in float64 among those
// that float32 cannot tell apart.
//
// Why the nearest code is never lost. Let F be the distance of nearest_code.hpp, S the one computed
// here and u = 2^-24. A difference is rounded once and each of the d fused additions once, so
// |S - F| <= e F + a with e = 1.02 (d + 4) u, where the float64 roundings of F vanish, and with
// a = d 2^-150 for results below the normal range. With j the nearest by F, and i by S:
//
//   S[j] <= (1 + e) F[j] + a <= (1 + e) F[i] + a <= (1 + e) / (1 - e) (S[i] + a) + a
//        <= S[i] + 4 e S[i] + 8 a
//
// of which 4 e S[i] leaves room for the rounding of this very sum. Codes beyond it cannot win.
// An S that overflows is infinite, and then so is the sum, or F[i] is far smaller.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "cuda/dynamic_shared.cuh"

namespace lapa_edge::cuda {

constexpr unsigned kWarpCodes = 32;  // a panel: one code per lane
constexpr unsigned kSearchWarps = 8;
constexpr unsigned kSearchThreads = kWarpCodes * kSearchWarps;
constexpr unsigned kSearchRows = 4;  // of x, in one block

/// `codes` lie as [panels, chunks, 32 codes, 4 columns], filled up with zeros.
struct CodebookOnDevice {
  const float4* codes;
  std::uint32_t k, d, chunks, panels;
  float slack, least;  // codes beyond S + slack * S + least cannot win
};

inline CodebookOnDevice describe_codebook(std::size_t k, std::size_t d) {
  const auto chunks = static_cast<std::uint32_t>((d + 3) / 4);
  const auto panels = static_cast<std::uint32_t>((k + kWarpCodes - 1) / kWarpCodes);
  const double columns = static_cast<double>(d);
  return {nullptr,
          static_cast<std::uint32_t>(k),
          static_cast<std::uint32_t>(d),
          chunks,
          panels,
          static_cast<float>(4 * 1.02 * (columns + 4) * 0x1p-24),
          static_cast<float>(columns * 0x1p-147)};
}

/// The rows of x in shared memory, filled up with zeros: [rows, chunks].
__device__ inline const float4* read_rows(const CodebookOnDevice& book, const float* x,
                                          std::size_t first, std::size_t m) {
  float* const rows = dynamic_shared_floats();
  const std::uint32_t stride = book.chunks * 4;
  for (std::uint32_t i = threadIdx.x; i < kSearchRows * stride; i += kSearchThreads) {
    const std::size_t row = first + i / stride, column = i % stride;
    rows[i] = row < m && column < book.d ? x[row * book.d + column] : 0.0f;
  }
  __syncthreads();
  return reinterpret_cast<const float4*>(rows);
}

__device__ inline float add_square(float sum, float a, float b) {
  const float difference = __fsub_rn(a, b);
  return __fmaf_rn(difference, difference, sum);
}

/// S of this lane's code in `panel` and of kRows rows of x.
template <unsigned kRows>
__device__ void screen(const CodebookOnDevice& book, std::uint32_t panel, const float4* rows,
                       float (&sum)[kRows]) {
  const float4* code =
      book.codes + std::size_t{panel} * book.chunks * kWarpCodes + threadIdx.x % kWarpCodes;
#pragma unroll
  for (unsigned r = 0; r < kRows; ++r) sum[r] = 0.0f;
#pragma unroll 4
  for (std::uint32_t chunk = 0; chunk < book.chunks; ++chunk) {
    const float4 c = code[chunk * kWarpCodes];
#pragma unroll
    for (unsigned r = 0; r < kRows; ++r) {
      const float4 v = rows[r * book.chunks + chunk];
      sum[r] = add_square(sum[r], v.x, c.x);
      sum[r] = add_square(sum[r], v.y, c.y);
      sum[r] = add_square(sum[r], v.z, c.z);
      sum[r] = add_square(sum[r], v.w, c.w);
    }
  }
}

__device__ inline double add_exact(double sum, float a, float b) {
  const double difference = __dsub_rn(a, b);
  return __dadd_rn(sum, __dmul_rn(difference, difference));
}

/// F of this lane's code in `panel`: a chunk holds one column of each of the four partial sums.
__device__ inline double define(const CodebookOnDevice& book, std::uint32_t panel,
                                const float4* row) {
  const float4* code =
      book.codes + std::size_t{panel} * book.chunks * kWarpCodes + threadIdx.x % kWarpCodes;
  double sum[4] = {0.0, 0.0, 0.0, 0.0};
  for (std::uint32_t chunk = 0; chunk < book.chunks; ++chunk) {
    const float4 c = code[chunk * kWarpCodes], v = row[chunk];
    sum[0] = add_exact(sum[0], v.x, c.x);
    sum[1] = add_exact(sum[1], v.y, c.y);
    sum[2] = add_exact(sum[2], v.z, c.z);
    sum[3] = add_exact(sum[3], v.w, c.w);
  }
  return __dadd_rn(__dadd_rn(sum[0], sum[1]), __dadd_rn(sum[2], sum[3]));
}

/// A candidate; the nearer, or the lower of two as near, comes first.
struct Candidate {
  double distance;
  std::uint32_t code;
};

__device__ inline Candidate first_of(const Candidate& a, const Candidate& b) {
  const bool second = b.distance < a.distance || (b.distance == a.distance && b.code < a.code);
  return second ? b : a;
}

/// The first of all threads' candidates, known to every thread. Uses `scratch` [warps].
__device__ inline Candidate first_of_block(Candidate mine, Candidate* scratch) {
  for (unsigned offset = kWarpCodes / 2; offset > 0; offset /= 2) {
    const Candidate other{__shfl_xor_sync(0xffffffffu, mine.distance, offset),
                          __shfl_xor_sync(0xffffffffu, mine.code, offset)};
    mine = first_of(mine, other);
  }
  __syncthreads();  // scratch may still be read from the last time
  if (threadIdx.x % kWarpCodes == 0) scratch[threadIdx.x / kWarpCodes] = mine;
  __syncthreads();
  Candidate first = scratch[0];
  for (unsigned warp = 1; warp < kSearchWarps; ++warp) first = first_of(first, scratch[warp]);
  return first;
}

/// `x` [m, d] to `codes` [m]; four rows per block, whose warps share the panels.
__global__ void __launch_bounds__(kSearchThreads)
    nearest_code_kernel(CodebookOnDevice book, const float* x, std::size_t m, std::int32_t* codes) {
  const std::size_t first_row = std::size_t{blockIdx.x} * kSearchRows;
  const float4* const rows = read_rows(book, x, first_row, m);
  auto* const scratch = reinterpret_cast<Candidate*>(dynamic_shared_floats() +
                                                     std::size_t{kSearchRows} * book.chunks * 4);
  const unsigned warp = threadIdx.x / kWarpCodes, lane = threadIdx.x % kWarpCodes;

  // The two lowest S of this thread's codes, and whose the lowest is.
  float lowest[kSearchRows], second[kSearchRows];
  std::uint32_t code[kSearchRows];
#pragma unroll
  for (unsigned r = 0; r < kSearchRows; ++r) {
    lowest[r] = second[r] = INFINITY;
    code[r] = book.k;
  }
  for (std::uint32_t panel = warp; panel < book.panels; panel += kSearchWarps) {
    float sum[kSearchRows];
    screen(book, panel, rows, sum);
    const std::uint32_t j = panel * kWarpCodes + lane;
    if (j >= book.k) continue;
#pragma unroll
    for (unsigned r = 0; r < kSearchRows; ++r) {
      const bool lower = sum[r] < lowest[r] || code[r] == book.k;
      second[r] = lower ? lowest[r] : fminf(second[r], sum[r]);
      code[r] = lower ? j : code[r];
      lowest[r] = lower ? sum[r] : lowest[r];
    }
  }

#pragma unroll
  for (unsigned r = 0; r < kSearchRows; ++r) {
    const Candidate mine{lowest[r], code[r]};
    Candidate nearest = first_of_block(mine, scratch);
    const float low = static_cast<float>(nearest.distance);
    const float limit = __fadd_rn(low, __fmaf_rn(low, book.slack, book.least));
    const bool rivals = second[r] <= limit || (lowest[r] <= limit && code[r] != nearest.code);
    if (__syncthreads_or(code[r] < book.k && rivals)) {
      Candidate best{INFINITY, book.k};
      for (std::uint32_t panel = warp; panel < book.panels; panel += kSearchWarps) {
        float sum[1];
        screen(book, panel, rows + r * book.chunks, sum);
        const std::uint32_t j = panel * kWarpCodes + lane;
        if (j >= book.k || !(sum[0] <= limit)) continue;
        best = first_of(best, {define(book, panel, rows + r * book.chunks), j});
      }
      nearest = first_of_block(best, scratch);
    }
    if (threadIdx.x == 0 && first_row + r < m) {
      codes[first_row + r] = static_cast<std::int32_t>(nearest.code);
    }
  }
}

/// Bytes of shared memory: rows, then one candidate per warp.
inline std::size_t search_bytes(const CodebookOnDevice& book) {
  return kSearchRows * std::size_t{book.chunks} * sizeof(float4) + kSearchWarps * sizeof(Candidate);
}

/// The widest codes whose search fits into `bytes`; whole chunks.
constexpr std::size_t most_columns(std::size_t bytes) {
  return (bytes - kSearchWarps * sizeof(Candidate)) / (kSearchRows * sizeof(float4)) * 4;
}

}  // namespace lapa_edge::cuda
