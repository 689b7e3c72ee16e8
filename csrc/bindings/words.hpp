// Arguments that are one of a few words.
#pragma once

#include <cstddef>
#include <string>

#include "bindings/arrays.hpp"

namespace lapa_edge::bindings {

struct Word {
  const char* text;
  int value;
};

/// The value of the word that was given; throws py::value_error, which lists the words.
template <typename Value, std::size_t kCount>
Value choose(const char* name, const std::string& given, const Word (&words)[kCount]) {
  std::string expected;
  for (const Word& word : words) {
    if (given == word.text) return static_cast<Value>(word.value);
    expected += (expected.empty() ? "\"" : ", \"") + std::string(word.text) + "\"";
  }
  refuse(name, "one of " + expected, "\"" + given + "\"");
}

}  // namespace lapa_edge::bindings
