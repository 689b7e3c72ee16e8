"""Instructions to token ids."""

import re

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.errors import RuntimeInputError
from lapa_edge.tokenizer import MAX_CHARACTERS, PAD, UNKNOWN, Tokenizer, build_tokenizer

TOKENIZER = build_tokenizer(["Push the red block", "don't push it"], max_tokens=4)


def test_the_vocabulary_is_every_word_sorted():
    assert TOKENIZER.words == ("block", "don't", "it", "push", "red", "the")
    assert TOKENIZER.vocabulary_size == 8


def test_case_and_punctuation_do_not_matter():
    ids = TOKENIZER.encode("PUSH,  it... red!")
    assert ids.dtype == np.int64
    assert ids.tolist() == [[5, 4, 6, PAD]]


def test_long_instructions_lose_their_tail_and_it_is_told():
    assert TOKENIZER.encode("the the the the block").tolist() == [[7, 7, 7, 7]]
    told = "only the first 4 of its 5 tokens are read"
    assert TOKENIZER.complaints("the the the the block") == [told]
    assert TOKENIZER.complaints("push the red block!") == []


def test_unknown_words_share_one_id_and_are_told():
    assert TOKENIZER.encode("push zebra").tolist() == [[5, UNKNOWN, PAD, PAD]]
    assert TOKENIZER.unknown_words("push zebra") == ["zebra"]
    assert TOKENIZER.complaints("push zebra") == ["training never met 'zebra'"]


def test_a_word_that_it_knows_is_one_of_its_own_and_nothing_where_it_has_none():
    assert TOKENIZER.known_word() == "block"
    pieces = Tokenizer((), 8, "\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "##s", "red")))
    assert pieces.known_word() == "red"
    assert Tokenizer((), 4).known_word() == ""


def test_emoji_and_symbols_are_told_though_they_have_no_id():
    assert TOKENIZER.encode("push 🟥 it").tolist() == TOKENIZER.encode("push it").tolist()
    assert TOKENIZER.unknown_words("push 🟥 it, §3!") == ["3", "🟥"]
    assert TOKENIZER.unknown_words("push 1 + $") == ["1", "+", "$"]


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x9b", "\ud800"])
def test_control_characters_are_refused_by_place(character):
    name = f"U+{ord(character):04X} at position 5"
    with pytest.raises(RuntimeInputError, match=re.escape(name)):
        TOKENIZER.encode(f"push {character}it")


def test_a_trained_vocabulary_is_written_as_it_always_was():
    written = msgspec.json.encode(TOKENIZER)
    assert msgspec.json.decode(written).keys() == {"words", "max_tokens"}
    assert msgspec.json.decode(written, type=Tokenizer) == TOKENIZER


@pytest.mark.parametrize("nothing", ["", "   ", "!?", "_"])
def test_nothing_said_is_padding(nothing):
    assert not TOKENIZER.encode(nothing).any()


def test_a_novel_is_refused():
    with pytest.raises(RuntimeInputError, match="expected at most 2000 characters, got 2001"):
        TOKENIZER.encode("a" * (MAX_CHARACTERS + 1))
    with pytest.raises(RuntimeInputError, match="got 10000; say it in one sentence"):
        TOKENIZER.encode("a" * 10_000)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200))
def test_any_text_gives_valid_ids(text):
    ids = TOKENIZER.encode(text)
    assert ids.shape == (1, 4)
    assert ((ids >= 0) & (ids < TOKENIZER.vocabulary_size)).all()


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "Z"]), max_size=40), max_size=5))
def test_a_tokenizer_knows_the_words_it_was_built_from(instructions):
    tokenizer = build_tokenizer(instructions)
    assert not any(tokenizer.unknown_words(instruction) for instruction in instructions)
