"""How a codebook is used."""

from __future__ import annotations

import numpy as np
import pytest

from lapa_edge.evaluate.latents.usage import common_sequences, measure_usage

CLIP = np.array([0, 0, 1, 1])


def test_even_use_has_the_codebooks_perplexity_and_a_collapsed_one_has_one() -> None:
    even = np.array([[0, 1], [1, 0], [2, 3], [3, 2]], np.int32)
    found = measure_usage(even, 4, CLIP, ("a", "b"))
    assert found.overall.perplexity == pytest.approx(4)
    assert found.sequence_entropy_bits == pytest.approx(2)
    assert found.share_by_clip == ((0.5, 0.5, 0.0, 0.0), (0.0, 0.0, 0.5, 0.5))
    collapsed = measure_usage(np.zeros((4, 2), np.int32), 4, CLIP, ("a", "b"))
    assert (collapsed.overall.perplexity, collapsed.overall.active) == (1.0, 1)
    assert collapsed.sequence_entropy_bits == 0


def test_a_dead_position_shows_in_its_own_numbers() -> None:
    codes = np.array([[0, 1], [1, 1], [2, 1], [3, 1]], np.int32)
    found = measure_usage(codes, 4, CLIP, ("a", "b"))
    assert [round(position.perplexity, 6) for position in found.by_position] == [4, 1]


def test_one_clip_using_a_code_twice_counts_it_twice() -> None:
    codes = np.array([[2, 2], [2, 0]], np.int32)
    found = measure_usage(codes, 3, np.array([0, 0]), ("a",))
    assert found.share_by_clip == ((0.25, 0.0, 0.75),)


def test_common_sequences_come_by_count_and_then_by_code() -> None:
    codes = np.array([[5], [3], [5], [1], [3], [9]], np.int32)
    found = common_sequences(codes, 3)
    assert found.codes.tolist() == [[3], [5], [1]]
    assert found.counts == (2, 2, 1)
    assert found.shares == pytest.approx((1 / 3, 1 / 3, 1 / 6))
