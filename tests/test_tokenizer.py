"""Instructions to token ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.errors import RuntimeInputError
from lapa_edge.tokenizer import MAX_CHARACTERS, PAD, UNKNOWN, build_tokenizer

TOKENIZER = build_tokenizer(["Push the red block", "don't push it"], max_tokens=4)


def test_the_vocabulary_is_every_word_sorted():
    assert TOKENIZER.words == ("block", "don't", "it", "push", "red", "the")
    assert TOKENIZER.vocabulary_size == 8


def test_case_and_punctuation_do_not_matter():
    ids = TOKENIZER.encode("PUSH,  it... red!")
    assert ids.dtype == np.int64
    assert ids.tolist() == [[5, 4, 6, PAD]]


def test_long_instructions_lose_their_tail():
    assert TOKENIZER.encode("the the the the block").tolist() == [[7, 7, 7, 7]]


def test_unknown_words_share_one_id_and_are_told():
    assert TOKENIZER.encode("push zebra").tolist() == [[5, UNKNOWN, PAD, PAD]]
    assert TOKENIZER.unknown_words("push zebra") == ["zebra"]


@pytest.mark.parametrize("nothing", ["", "   ", "!?", "_"])
def test_nothing_said_is_padding(nothing):
    assert not TOKENIZER.encode(nothing).any()


def test_a_novel_is_refused():
    with pytest.raises(RuntimeInputError, match="expected at most 2000 characters, got 2001"):
        TOKENIZER.encode("a" * (MAX_CHARACTERS + 1))


@given(st.text(max_size=200))
def test_any_text_gives_valid_ids(text):
    ids = TOKENIZER.encode(text)
    assert ids.shape == (1, 4)
    assert ((ids >= 0) & (ids < TOKENIZER.vocabulary_size)).all()


@given(st.lists(st.text(max_size=40), max_size=5))
def test_a_tokenizer_knows_the_words_it_was_built_from(instructions):
    tokenizer = build_tokenizer(instructions)
    assert not any(tokenizer.unknown_words(instruction) for instruction in instructions)
