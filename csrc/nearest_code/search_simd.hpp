// The search for one instruction set: rows of x in tiles, each screened, its candidates decided.
#pragma once

#include "nearest_code/byte_tile_simd.hpp"
#include "nearest_code/candidates_simd.hpp"
#include "nearest_code/float_tile_simd.hpp"

namespace lapa_edge {
namespace {

constexpr std::size_t kTileRows = 4;

// Codes whose scores are kept at once, for each row of a tile.
constexpr std::size_t kBlock = 1024;

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
      if (candidates.count == Candidates::kMost) return candidates.give_up();
      const std::size_t code = first + at + static_cast<std::size_t>(__builtin_ctzll(bits));
      candidates.code[candidates.count++] = static_cast<std::int32_t>(code);
    }
  }
}

// Fills the candidates of each row of x.
template <class Tile, std::size_t rows>
void screen_rows(const CodebookView& codebook, const float* x, Candidates (&candidates)[rows]) {
  static_assert(kBlock % Tile::kPanel == 0, "a block is whole panels");
  const FloatTag tag;
  const std::size_t codes = codebook.screen.codes;
  Tile tile;
  // A vector more than a block, lest all rows meet in the same sets of the cache.
  alignas(64) float scores[rows][kBlock + kLanes];
  float best[rows];
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
      // A later block may lower the limit: what stands in the list by then is only compared.
      const float limit = best[row] + 2.0f * tile.bound[row];
      if (!(limit < __builtin_inff())) candidates[row].give_up();  // NaN too
      if (candidates[row].too_many()) continue;
      collect<Tile>(scores[row], count, first, limit, candidates[row]);
    }
  }
}

// The codes of `rows` rows of x; the first row that is not finite, `rows` if none.
template <std::size_t rows>
std::size_t search_rows(const CodebookView& codebook, const float* x, std::int32_t* codes) {
  Candidates candidates[rows];
  if (codebook.screen.codes == 0) {
    for (Candidates& row : candidates) row.give_up();
#if LAPA_EDGE_HAS_BYTES
  } else if (codebook.screen.bytes != nullptr) {
    screen_rows<ByteTile<rows>>(codebook, x, candidates);
#endif
  } else {
    screen_rows<FloatTile<rows>>(codebook, x, candidates);
  }
  for (std::size_t row = 0; row < rows; ++row) {
    codes[row] = decide(codebook, x + row * codebook.d, candidates[row]);
    if (codes[row] < 0) return row;
  }
  return rows;
}

std::size_t search(const CodebookView& codebook, const float* x, std::size_t m,
                   std::int32_t* codes) noexcept {
  std::size_t row = 0;
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
