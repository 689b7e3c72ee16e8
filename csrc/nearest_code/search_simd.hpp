// The search for one instruction set: rows of x in tiles, each screened, its candidates compared.
#pragma once

#include "nearest_code/byte_tile_simd.hpp"
#include "nearest_code/exact_simd.hpp"
#include "nearest_code/float_tile_simd.hpp"

namespace lapa_edge {
namespace {

constexpr std::size_t kTileRows = 4;

// Codes whose scores are kept at once, for each row of a tile.
constexpr std::size_t kBlock = 1024;

// The codes that can be nearest to one row, in ascending order. Too many are as good as none
// known: comparing every code is then no slower.
struct Candidates {
  static constexpr std::size_t kMost = 64;

  std::size_t count = 0;
  std::int32_t code[kMost];

  bool too_many() const { return count > kMost; }
};

// One bit a lane.
HWY_INLINE std::uint64_t mask_bits(hn::Mask<FloatTag> mask) {
#if HWY_TARGET == HWY_AVX3
  return mask.raw;
#else
  static_assert(kLanes <= 8, "the mask is one byte");
  std::uint8_t bits = 0;
  hn::StoreMaskBits(FloatTag(), mask, &bits);
  return bits;
#endif
}

// Adds the codes whose score is not above the limit; `scores` [count] begin at code `first`.
template <class Tile>
HWY_INLINE void collect(const float* scores, std::size_t count, std::size_t first, float limit,
                        Candidates& candidates) {
  const FloatTag tag;
  const Floats limits = hn::Set(tag, limit);
  for (std::size_t at = 0; at < count; at += Tile::kPanel) {
    std::uint64_t bits = 0;
    for (std::size_t v = 0; v < Tile::kVectors; ++v) {
      const Floats score = hn::Load(tag, scores + at + v * kLanes);
      bits |= mask_bits(hn::Le(score, limits)) << (v * kLanes);
    }
    for (; bits != 0; bits &= bits - 1) {
      if (candidates.count >= Candidates::kMost) {
        candidates.count = Candidates::kMost + 1;
        return;
      }
      const std::size_t code = first + at + static_cast<std::size_t>(__builtin_ctzll(bits));
      candidates.code[candidates.count++] = static_cast<std::int32_t>(code);
    }
  }
}

// Fills the candidates of each row of x; true where a row has too many.
template <class Tile, std::size_t rows>
bool screen_rows(const CodebookView& codebook, const float* x, Candidates (&candidates)[rows]) {
  static_assert(kBlock % Tile::kPanel == 0, "a block is whole panels");
  const FloatTag tag;
  const std::size_t codes = codebook.screen.codes;
  Tile tile;
  // A vector more than a block, lest all rows meet in the same sets of the cache.
  alignas(64) float scores[rows][kBlock + kLanes];
  float best[rows];
  bool crowded = false;
  tile.prepare(codebook, x);
  for (std::size_t row = 0; row < rows; ++row) {
    best[row] = __builtin_inff();
    candidates[row].count = 0;
  }
  for (std::size_t first = 0; first < codes; first += kBlock) {
    const std::size_t count = codes - first < kBlock ? codes - first : kBlock;
    Floats least[rows];
    for (Floats& l : least) l = hn::Set(tag, __builtin_inff());
    for (std::size_t at = 0; at < count; at += Tile::kPanel) {
      Floats panel[rows][Tile::kVectors];
      tile.score(codebook, first + at, panel);
      for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t v = 0; v < Tile::kVectors; ++v) {
          least[row] = hn::Min(least[row], panel[row][v]);
          hn::Store(panel[row][v], tag, scores[row] + at + v * kLanes);
        }
      }
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const float here = hn::GetLane(hn::MinOfLanes(tag, least[row]));
      if (here < best[row]) best[row] = here;
      // A later block may lower the limit: what stands in the list by then is only rechecked.
      const float limit = best[row] + 2.0f * tile.bound[row];
      if (!(limit < __builtin_inff())) candidates[row].count = Candidates::kMost + 1;
      if (!candidates[row].too_many()) {
        collect<Tile>(scores[row], count, first, limit, candidates[row]);
      }
      crowded |= candidates[row].too_many();
    }
  }
  return crowded;
}

// Drops what float32 can tell is not the nearest. A distance taken directly, without the mean, errs
// by less than (d + 16) 2^-24 of itself; four times that and a grain against underflow are enough.
HWY_INLINE void narrow(const CodebookView& codebook, const float* x, Candidates& candidates) {
  const FloatTag tag;
  const std::size_t d = codebook.d, whole = d - d % kLanes;
  float distance[Candidates::kMost], best = __builtin_inff();
  for (std::size_t i = 0; i < candidates.count; ++i) {
    const float* code = codebook.codes + static_cast<std::size_t>(candidates.code[i]) * d;
    Floats sum = hn::Zero(tag);
    for (std::size_t column = 0; column < whole; column += kLanes) {
      const Floats difference = hn::Sub(hn::LoadU(tag, x + column), hn::LoadU(tag, code + column));
      sum = hn::MulAdd(difference, difference, sum);
    }
    distance[i] = hn::GetLane(hn::SumOfLanes(tag, sum));
    for (std::size_t column = whole; column < d; ++column) {
      distance[i] += (x[column] - code[column]) * (x[column] - code[column]);
    }
    if (distance[i] < best) best = distance[i];
  }
  const float limit = best + best * (static_cast<float>(d + 16) * 0x1p-22f) + 0x1p-100f;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidates.count; ++i) {
    candidates.code[kept] = candidates.code[i];
    kept += !(distance[i] > limit);  // an overflow says nothing
  }
  candidates.count = kept;
}

// The codes of `rows` rows of x; the first row that is not finite, `rows` if none.
template <std::size_t rows>
std::size_t search_rows(const CodebookView& codebook, const float* x, std::int32_t* codes) {
  Candidates candidates[rows];
#if LAPA_EDGE_HAS_BYTES
  const bool settled = codebook.screen.by_bytes.bytes != nullptr &&
                       !screen_rows<ByteTile<rows>>(codebook, x, candidates);
#else
  const bool settled = false;
#endif
  if (!settled) screen_rows<FloatTile<rows>>(codebook, x, candidates);

  for (std::size_t row = 0; row < rows; ++row, x += codebook.d) {
    Candidates& known = candidates[row];
    if (settled && known.count > 1) narrow(codebook, x, known);
    if (known.count == 1) {
      codes[row] = known.code[0];
    } else if (known.too_many()) {
      codes[row] = nearest_of(x, codebook.codes, codebook.d, nullptr, codebook.k);
    } else {
      codes[row] = nearest_of(x, codebook.codes, codebook.d, known.code, known.count);
    }
    if (codes[row] < 0) return row;
  }
  return rows;
}

std::size_t search(const CodebookView& codebook, const float* x, std::size_t m,
                   std::int32_t* codes) noexcept {
  std::size_t row = 0;
  if (codebook.screen.codes == 0) {
    for (; row < m; ++row, x += codebook.d) {
      codes[row] = nearest_of(x, codebook.codes, codebook.d, nullptr, codebook.k);
      if (codes[row] < 0) return row;
    }
    return m;
  }
  for (; row + kTileRows <= m; row += kTileRows) {
    const std::size_t found = search_rows<kTileRows>(codebook, x + row * codebook.d, codes + row);
    if (found < kTileRows) return row + found;
  }
  for (; row < m; ++row) {
    if (search_rows<1>(codebook, x + row * codebook.d, codes + row) == 0) return row;
  }
  return m;
}

constexpr NearestCodeKernels nearest_code_kernels() {
#if LAPA_EDGE_HAS_BYTES
  return {FloatTile<kTileRows>::kPanel, ByteTile<kTileRows>::kPanel, kUnsignedBytes, search};
#else
  return {FloatTile<kTileRows>::kPanel, 0, false, search};
#endif
}

}  // namespace
}  // namespace lapa_edge
