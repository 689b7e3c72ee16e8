"""Codes carried from clip to clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lapa_edge.errors import DataError
from lapa_edge.evaluate.latents.sample import draw_pairs, encode_pairs
from lapa_edge.evaluate.latents.transfer import choose_transfers, measure_transfer, pairs_elsewhere


def test_codes_that_mean_the_same_everywhere_are_read_back(world: Any, oracle: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 300)
    codes = encode_pairs(oracle, world.store.all, sample).codes
    found = measure_transfer(oracle, world.store.all, sample, codes, most=200)
    assert found.pairs == 200
    assert found.agreement.value == found.sequence_agreement.value == found.own.value == 1
    assert found.sequence_chance < found.chance < 0.5


def test_a_deaf_decoder_agrees_by_chance_alone(world: Any, deaf: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 300)
    codes = encode_pairs(deaf, world.store.all, sample).codes
    found = measure_transfer(deaf, world.store.all, sample, codes)
    assert found.agreement.value == pytest.approx(found.chance, abs=1e-9)  # it draws one motion


def test_partners_are_of_other_clips_and_reach_all_of_them(world: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 400)
    partner = pairs_elsewhere(sample, seed=0)
    assert (sample.clip[partner] != sample.clip).all()
    assert set(sample.clip[partner]) == set(range(16))


def test_shown_pairs_have_their_sequence_and_go_to_different_clips(world: Any, oracle: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 300)
    codes = encode_pairs(oracle, world.store.all, sample).codes
    common = np.array([[1, 1], [0, 2]], np.int32)
    shown = choose_transfers(sample, codes, common)
    for sequence, (source, targets) in zip(common, shown, strict=True):
        assert (codes[source] == sequence).all()
        clips = {int(sample.clip[i]) for i in (source, *targets)}
        assert len(clips) == 4


def test_one_clip_has_nowhere_to_go(make_world: Callable[..., Any], oracle: Any) -> None:
    world = make_world(1)
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 30)
    codes = encode_pairs(oracle, world.store.all, sample).codes
    with pytest.raises(DataError, match="got one clip"):
        measure_transfer(oracle, world.store.all, sample, codes)
    assert choose_transfers(sample, codes, codes[:1]) == []
