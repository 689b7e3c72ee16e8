"""The gain over a copied frame, and whether the decoder listens."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.evaluate.latents.fidelity import _others, measure_fidelity
from lapa_edge.evaluate.latents.sample import PairSample, draw_pairs, encode_pairs


@pytest.fixture
def sample(world: Any) -> PairSample:
    return draw_pairs(world.store, world.dataset.fps, 0.4, 300)


def test_a_decoder_that_listens_loses_its_gain_when_codes_are_shuffled(
    world: Any, oracle: Any, sample: PairSample
) -> None:
    codes = encode_pairs(oracle, world.store.all, sample).codes
    found = measure_fidelity(oracle, world.store.all, sample, codes)
    assert 0 < found.gain.low < found.gain.value < found.gain.high
    assert found.gain.value > 0.4
    assert found.drop.low > 0.5
    assert found.drop.value == pytest.approx(found.gain.value - found.shuffled_gain.value)


def test_a_deaf_decoder_shows_no_drop(world: Any, deaf: Any, sample: PairSample) -> None:
    codes = encode_pairs(deaf, world.store.all, sample).codes
    found = measure_fidelity(deaf, world.store.all, sample, codes)
    assert found.drop.value == found.drop.low == found.drop.high == 0


def test_a_perfect_decoder_gains_one(world: Any, oracle: Any, sample: PairSample) -> None:
    codes = encode_pairs(oracle, world.store.all, sample).codes
    moved = oracle.encode(world.store.all[sample.first], world.store.all[sample.second]).latents
    exact = np.isin(moved[:, :, 0], (-8, 0, 8)).all(1)
    part = replace(
        sample, first=sample.first[exact], second=sample.second[exact], clip=sample.clip[exact]
    )
    found = measure_fidelity(oracle, world.store.all, part, codes[exact])
    assert found.gain.value == 1


def test_video_in_which_nothing_moves_has_no_gain(oracle: Any, sample: PairSample) -> None:
    still = np.zeros((16 * 40, 32, 32, 3), np.uint8)
    found = measure_fidelity(oracle, still, sample, np.ones((len(sample), 2), np.int32))
    assert math.isnan(found.gain.value)
    assert found.unchanged == 1


@given(st.integers(2, 50), st.integers(0, 5))
def test_every_pair_gets_the_codes_of_another(count: int, seed: int) -> None:
    other = _others(count, seed)
    assert sorted(other) == list(range(count))
    assert (other != np.arange(count)).all()
