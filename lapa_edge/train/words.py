"""The words of a training: its own vocabulary, or that of the frozen encoder that reads them."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.errors import DataError, RuntimeInputError
from lapa_edge.model.sentence import read_word_pieces
from lapa_edge.model.text import TRAINED
from lapa_edge.tokenizer import Tokenizer, build_tokenizer

log = logging.getLogger(__name__)


def build_words(text: str, *datasets: Dataset) -> Tokenizer:
    """The tokenizer for a policy whose `PolicyConfig.text` is `text`, of all words it will meet."""
    if text == TRAINED:
        return build_tokenizer(e.instruction for dataset in datasets for e in dataset.episodes)
    return read_word_pieces(text)


def encode_instructions(tokenizer: Tokenizer, dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Token ids ``[max_tokens]`` of every episode, by its name.

    Warns of words that the vocabulary lacks, and of instructions that lose their tail.

    Raises:
        DataError: an instruction that the robot would refuse, too; names the clip.
    """
    found = {}
    for episode in dataset.episodes:
        try:
            found[episode.name] = tokenizer.encode(episode.instruction)[0]
        except RuntimeInputError as error:
            raise DataError(f"clip {episode.name!r}", str(error)) from error
    texts = dict.fromkeys(episode.instruction for episode in dataset.episodes)
    told = [(text, said) for text in texts if (said := tokenizer.complaints(text))]
    if told:
        text, said = told[0]
        log.warning(
            "%d of %d different instructions are not understood whole, such as %r: %s",
            len(told), len(texts), text[:80], "; ".join(said),
        )  # fmt: skip
    return found
