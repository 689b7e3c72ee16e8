// The columns of a resize for one instruction set: weighted pixels along a row, and what becomes of
// their sums.
#pragma once

#include "preprocess/bytes_simd.hpp"

#if HWY_TARGET != HWY_SCALAR

namespace lapa_edge {
namespace {

constexpr std::size_t kChunk = 16;
constexpr std::size_t kChunkVectors = kChunk / kLanes;

#if HWY_TARGET == HWY_AVX3
constexpr std::size_t kWindow = 16;
#else
constexpr std::size_t kWindow = 4;
#endif

// The pixels of a vector of outputs, channel by channel, out of the windows at `starts`.
HWY_INLINE Planes gather(const std::uint8_t* row, std::size_t pitch, const std::int32_t* starts,
                         Bytes index) {
  Planes pixels;
#if HWY_TARGET == HWY_AVX3
  static_cast<void>(pitch);
  const Bytes low = load_once(row + starts[0]), high = load_once(row + starts[0] + kByteLanes);
  for (std::size_t c = 0; c < kChannels; ++c) {
    const Bytes of_channel = hn::Add(index, hn::Set(ByteTag(), static_cast<std::uint8_t>(c)));
    pixels.vector[c].raw = _mm512_permutex2var_epi8(low.raw, of_channel.raw, high.raw);
  }
#else
  for (std::size_t c = 0; c < kChannels; ++c, row += pitch) {
#if HWY_TARGET == HWY_AVX2
    const auto window = [&](std::size_t w) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + starts[w]));
    };
    const __m256i windows =
        _mm256_inserti128_si256(_mm256_castsi128_si256(window(0)), window(1), 1);
    pixels.vector[c].raw = _mm256_shuffle_epi8(windows, index.raw);
#else
    pixels.vector[c] = hn::TableLookupBytes(hn::LoadU(ByteTag(), row + starts[0]), index);
#endif
  }
#endif
  return pixels;
}

// What sums start from: half a unit to round by, and what the bias takes away.
constexpr std::int32_t kSumStart = kWeightTotal / 2 + kBias * kWeightTotal;

// A channel's sums to pixels.
struct ToPixels {
  HWY_INLINE Ints start() const { return hn::Set(IntTag(), kSumStart); }

  HWY_INLINE void store(Ints sums, std::size_t at) const {
    const hn::Rebind<std::uint8_t, IntTag> narrow;
    hn::StoreU(hn::DemoteTo(narrow, hn::ShiftRight<kWeightBits>(sums)), narrow, pixels + at);
  }

  std::uint8_t* pixels;
};

// A channel's sums to normalised values. Whole numbers below 2^23 that are added to the bits of the
// float 2^23 are added to its value, so a sum that starts from there is a float already.
struct ToValues {
  static constexpr std::int32_t kRaisedBits = 0x4b000000;  // of 2^23
  static constexpr float kRaised = 8388608.0f / kWeightTotal;

  HWY_INLINE ToValues(const Normalisation& normalisation, std::size_t c, float* values)
      : scale(hn::Set(FloatTag(), normalisation.scale[c] / kWeightTotal)),
        offset(hn::Set(FloatTag(), normalisation.offset[c] - normalisation.scale[c] * kRaised)),
        values(values) {}

  HWY_INLINE Ints start() const { return hn::Set(IntTag(), kSumStart + kRaisedBits); }

  HWY_INLINE void store(Ints sums, std::size_t at) const {
    const Ints whole = hn::And(sums, hn::Set(IntTag(), -kWeightTotal));
    hn::StoreU(fused(hn::BitCast(FloatTag(), whole), scale, offset), FloatTag(), values + at);
  }

  Floats scale, offset;
  float* values;
};

template <typename Sink>
HWY_INLINE void run_columns(const ColumnView columns, const std::uint8_t* row, std::size_t pitch,
                            const Sink red, const Sink green, const Sink blue) {
  for (std::size_t chunk = 0; chunk < columns.chunks; ++chunk) {
    for (std::size_t v = 0; v < kChunkVectors; ++v) {
      const std::size_t first = chunk * kChunk + v * kLanes;
      const Bytes index = load_once(columns.index + first * kTaps);
      const Bytes weights = hn::LoadU(ByteTag(), columns.weight + first * kTaps);
      const Planes pixels = gather(row, pitch, columns.start + first / kWindow, index);
      const std::size_t at = columns.output[chunk] + v * kLanes;
      red.store(add_dots(red.start(), weights, pixels.vector[0]), at);
      green.store(add_dots(green.start(), weights, pixels.vector[1]), at);
      blue.store(add_dots(blue.start(), weights, pixels.vector[2]), at);
    }
  }
}

void resample_columns(const ColumnView& columns, const std::uint8_t* row, std::size_t pitch,
                      std::uint8_t* const* pixels) noexcept {
  run_columns(columns, row, pitch, ToPixels{pixels[0]}, ToPixels{pixels[1]}, ToPixels{pixels[2]});
}

void normalise_columns(const ColumnView& columns, const std::uint8_t* row, std::size_t pitch,
                       const Normalisation& normalisation, float* const* values) noexcept {
  run_columns(columns, row, pitch, ToValues(normalisation, 0, values[0]),
              ToValues(normalisation, 1, values[1]), ToValues(normalisation, 2, values[2]));
}

}  // namespace
}  // namespace lapa_edge

#endif
