"""BERT's WordPiece: words to pieces of a pretrained encoder's vocabulary.

Lower case and without accents, as the uncased encoders want it. Devlin et al., arXiv 1810.04805;
the pieces are found greedily, longest first. Written here, and not taken from the ``tokenizers``
library, so that the robot needs no library for sixty lines; the tests hold it against that library.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

CLS, SEP, UNKNOWN_PIECE = "[CLS]", "[SEP]", "[UNK]"
_LONGEST_WORD = 100
# Ideographs, each of which is a word of its own.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


@lru_cache(maxsize=4)
def piece_ids(vocabulary: str) -> dict[str, int]:
    """Ids by piece of a vocabulary that holds one piece a line."""
    return {piece: i for i, piece in enumerate(vocabulary.split("\n"))}


def split_words(text: str) -> list[str]:
    """Words and punctuation marks, lower-cased, without accents and control characters."""
    spaced = []
    for c in text:
        kind = unicodedata.category(c)
        if c.isspace():
            spaced.append(" ")
        elif kind in ("Cc", "Cf", "Co", "Cs") or c == "\ufffd":
            continue
        elif any(low <= ord(c) <= high for low, high in _IDEOGRAPHS):
            spaced.append(f" {c} ")
        else:
            spaced.append(c)
    bare = "".join(c for c in unicodedata.normalize("NFD", "".join(spaced)) if not _is_accent(c))
    lower = "".join(c.lower() for c in bare)
    return "".join(f" {c} " if _is_punctuation(c) else c for c in lower).split()


def word_to_pieces(word: str, ids: dict[str, int]) -> list[int]:
    """Piece ids of one word; the id of `UNKNOWN_PIECE` alone where no pieces make it up."""
    found, start = [], 0
    while start < len(word) <= _LONGEST_WORD:
        mark = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if mark + word[start:end] in ids), start)
        if end == start:
            break
        found.append(ids[mark + word[start:end]])
        start = end
    return found if start == len(word) else [ids[UNKNOWN_PIECE]]


def _is_accent(c: str) -> bool:
    return unicodedata.category(c) == "Mn"


def _is_punctuation(c: str) -> bool:
    ascii_mark = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
    return ascii_mark or unicodedata.category(c).startswith("P")
