"""Instruction to token ids: a word-level tokenizer small enough to travel in every bundle.

Shared by the trainer, which builds the vocabulary, and by the robot, which only reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import RuntimeInputError

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
MAX_CHARACTERS = 2000


class Tokenizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lower-cased words to ids: 0 pads, 1 stands for every unknown word.

    Attributes:
        words: the vocabulary; word ``i`` has id ``i + 2``.
        max_tokens: ids per instruction; longer ones lose their tail.
    """

    words: tuple[str, ...]
    max_tokens: int

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding and unknown included."""
        return len(self.words) + 2

    def encode(self, instruction: str) -> NDArray[np.int64]:
        """Token ids ``[1, max_tokens]``; an instruction without a word gives padding only.

        Raises:
            RuntimeInputError: for more than `MAX_CHARACTERS` characters.
        """
        if len(instruction) > MAX_CHARACTERS:
            raise RuntimeInputError(
                "instruction",
                f"expected at most {MAX_CHARACTERS} characters, got {len(instruction)}",
                "say it in one sentence",
            )
        index = {word: i + 2 for i, word in enumerate(self.words)}
        found = [index.get(word, UNKNOWN) for word in _split(instruction)][: self.max_tokens]
        ids = np.full((1, self.max_tokens), PAD, dtype=np.int64)
        ids[0, : len(found)] = found
        return ids

    def unknown_words(self, instruction: str) -> list[str]:
        """Words of the instruction that training never met."""
        return [word for word in _split(instruction) if word not in self.words]


def build_tokenizer(instructions: Iterable[str], max_tokens: int = 16) -> Tokenizer:
    """A tokenizer whose vocabulary is every word in `instructions`, sorted."""
    words = {word for instruction in instructions for word in _split(instruction)}
    return Tokenizer(tuple(sorted(words)), max_tokens)


def _split(instruction: str) -> list[str]:
    return _WORD.findall(instruction.lower())
