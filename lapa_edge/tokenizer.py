"""Instruction to token ids: what travels in every bundle as ``tokenizer.json``.

Shared by the trainer, which builds the vocabulary or takes a pretrained encoder's, and by the
robot, which only reads it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import RuntimeInputError
from lapa_edge.word_pieces import CLS, SEP, UNKNOWN_PIECE, piece_ids, split_words, word_to_pieces

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
MAX_CHARACTERS = 2000
# Beside words: spaces and punctuation say nothing; symbols, emoji and the like are told of.
_SILENT = ("Z", "P", "M", "L", "N")


class Tokenizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Instructions to ids: by whole words of our own, or by the pieces of a pretrained encoder.

    Words are lower-cased; 0 pads, 1 stands for every unknown one.

    Attributes:
        words: the vocabulary; word ``i`` has id ``i + 2``. Empty where there are pieces.
        max_tokens: ids per instruction; longer ones lose their tail, which `complaints` tells.
        pieces: a WordPiece vocabulary, a piece a line, the line's number its id; see `word_pieces`.
    """

    words: tuple[str, ...]
    max_tokens: int
    pieces: str = ""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding and unknown included."""
        return len(piece_ids(self.pieces)) if self.pieces else len(self.words) + 2

    def encode(self, instruction: str) -> NDArray[np.int64]:
        """Token ids ``[1, max_tokens]``; an instruction without a word gives padding only.

        (A pretrained encoder reads even nothing as a sentence: its first and its last piece.)

        Raises:
            RuntimeInputError: for more than `MAX_CHARACTERS` characters, or control characters.
        """
        check_instruction(instruction)
        found = self._ids(instruction)
        if self.pieces:
            ids = piece_ids(self.pieces)
            found = [ids[CLS], *found[: self.max_tokens - 2], ids[SEP]]
        row = np.full((1, self.max_tokens), PAD, dtype=np.int64)
        row[0, : len(found)] = found[: self.max_tokens]
        return row

    def unknown_words(self, instruction: str) -> list[str]:
        """What the vocabulary has no id for: words, symbols, emoji."""
        if self.pieces:
            ids = piece_ids(self.pieces)
            unknown = [ids[UNKNOWN_PIECE]]
            return [w for w in split_words(instruction) if word_to_pieces(w, ids) == unknown]
        known = _word_ids(self.words)
        return [word for word in _split(instruction) if word not in known] + _symbols(instruction)

    def complaints(self, instruction: str) -> list[str]:
        """What the policy won't understand of an instruction, in words; empty where it's fine."""
        found = []
        if unknown := self.unknown_words(instruction):
            found.append(f"training never met {', '.join(map(repr, unknown))}")
        read = self.max_tokens - (2 if self.pieces else 0)
        if (said := len(self._ids(instruction))) > read:
            found.append(f"only the first {read} of its {said} tokens are read")
        return found

    def known_word(self) -> str:
        """A word of the vocabulary, for what takes any; empty where it has none."""
        found = self.words or (x for x in piece_ids(self.pieces) if not self.unknown_words(x))
        return next((word for word in found if word.isalpha()), "")

    def _ids(self, instruction: str) -> list[int]:
        """Ids of the whole instruction, however long."""
        if self.pieces:
            ids = piece_ids(self.pieces)
            return [i for word in split_words(instruction) for i in word_to_pieces(word, ids)]
        known = _word_ids(self.words)
        return [known.get(word, UNKNOWN) for word in _split(instruction)]


def build_tokenizer(instructions: Iterable[str], max_tokens: int = 16) -> Tokenizer:
    """A tokenizer whose vocabulary is every word in `instructions`, sorted."""
    words = {word for instruction in instructions for word in _split(instruction)}
    return Tokenizer(tuple(sorted(words)), max_tokens)


def check_instruction(instruction: str) -> None:
    """Raise `RuntimeInputError` for a novel, and for what no keyboard types."""
    if len(instruction) > MAX_CHARACTERS:
        raise RuntimeInputError(
            "instruction",
            f"expected at most {MAX_CHARACTERS} characters, got {len(instruction)}",
            "say it in one sentence",
        )
    for i, c in enumerate(instruction):
        if c not in "\t\n\r" and unicodedata.category(c) in ("Cc", "Cs"):
            raise RuntimeInputError(
                "instruction",
                f"expected text, got the control character U+{ord(c):04X} at position {i}",
                "remove it",
            )


@lru_cache(maxsize=4)
def _word_ids(words: tuple[str, ...]) -> dict[str, int]:
    return {word: i + 2 for i, word in enumerate(words)}


def _split(instruction: str) -> list[str]:
    return _WORD.findall(instruction.lower())


def _symbols(instruction: str) -> list[str]:
    return [
        c
        for c in instruction
        if not c.isspace() and not unicodedata.category(c).startswith(_SILENT)
    ]
