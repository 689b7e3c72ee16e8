// How the CPU and a running kernel exchange floats without a copy or a synchronisation.
//
// A word is a float and the number of the exchange it belongs to, read and written as one 8-byte
// access: whoever sees the number has the value, so no order between words matters and no fence is
// needed. (NCCL's LL protocol.) Words lie in mapped host memory and start as zeros; numbers count
// from 1 and may wrap, since only the next one is ever waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/host_device.hpp"

namespace lapa_edge::cuda {

using Word = std::uint64_t;

LAPA_EDGE_HOST_DEVICE inline Word word_of(float value, std::uint32_t number) noexcept {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return Word{number} << 32 | bits;
}

LAPA_EDGE_HOST_DEVICE inline std::uint32_t number_of(Word word) noexcept {
  return static_cast<std::uint32_t>(word >> 32);
}

LAPA_EDGE_HOST_DEVICE inline float value_of(Word word) noexcept {
  const std::uint32_t bits = static_cast<std::uint32_t>(word);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Never cached in a register; on the GPU as strong as a relaxed access of the whole system (PTX
/// ISA, "Volatile Operations").
LAPA_EDGE_HOST_DEVICE inline Word read_word(const Word* word) noexcept {
  return *static_cast<const volatile Word*>(word);
}

LAPA_EDGE_HOST_DEVICE inline void write_word(Word* word, Word value) noexcept {
  *static_cast<volatile Word*>(word) = value;
}

/// Addresses for one side. The CPU writes the first two, the GPU the others; neither shares a line
/// of 128 bytes with the other's.
struct Mailbox {
  Word* request;  // [inputs]
  Word* stop;     // not 0: the kernel shall leave
  Word* answer;   // [outputs]
  Word* left;     // the number of the last launch that has left
};

constexpr std::size_t kLineWords = 128 / sizeof(Word);

constexpr std::size_t whole_lines(std::size_t words) noexcept {
  return (words + kLineWords - 1) / kLineWords * kLineWords;
}

constexpr std::size_t mailbox_words(std::size_t inputs, std::size_t outputs) noexcept {
  return whole_lines(inputs + 1) + whole_lines(outputs + 1);
}

constexpr Mailbox mailbox_at(Word* words, std::size_t inputs, std::size_t outputs) noexcept {
  Word* const answer = words + whole_lines(inputs + 1);
  return {words, words + inputs, answer, answer + outputs};
}

}  // namespace lapa_edge::cuda
