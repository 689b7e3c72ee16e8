"""The pairs of an inspection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.latents.sample import draw_pairs, encode_pairs


def test_pairs_lie_one_gap_apart_in_one_clip(world: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 100, seed=3)
    assert len(sample) == 100
    assert (sample.second - sample.first == 4).all()
    assert (sample.first // 40 == sample.second // 40).all()
    assert [sample.names[i] for i in sample.clip] == [f"clip {i}" for i in sample.first // 40]
    assert (np.diff(sample.first) > 0).all()


def test_a_small_dataset_gives_all_it_has(make_world: Callable[..., Any]) -> None:
    world = make_world(2, count=11)
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 4000)
    assert len(sample) == sample.available == 2 * 7


def test_empty_clips_and_clips_shorter_than_the_gap_are_passed_over() -> None:
    store = FrameStore(
        np.zeros((16, 1, 1, 3), np.uint8), {"none": (0, 0), "a": (0, 8), "b": (8, 2), "c": (10, 6)}
    )
    sample = draw_pairs(store, dict.fromkeys(store.names, 10.0), 0.4, 100)
    assert sample.names == ("a", "c")
    assert sample.first.tolist() == [0, 1, 2, 3, 10, 11]
    assert sample.clip.tolist() == [0, 0, 0, 0, 1, 1]


def test_too_few_pairs_are_refused(make_world: Callable[..., Any]) -> None:
    world = make_world(1, count=3)
    with pytest.raises(ConfigError, match="at least 2, got 1"):
        draw_pairs(world.store, world.dataset.fps, 0.1, 1)
    with pytest.raises(DataError, match=r"0\.4 s apart: none"):
        draw_pairs(world.store, world.dataset.fps, 0.4, 10)


def test_encoding_in_parts_equals_encoding_at_once(world: Any, oracle: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 300)
    ticks: list[int] = []
    found = encode_pairs(oracle, world.store.all, sample, ticks.append)
    whole = oracle.encode(world.store.all[sample.first], world.store.all[sample.second])
    assert np.array_equal(found.codes, whole.codes)
    assert np.array_equal(found.latents, whole.latents)
    assert len(ticks) > 1
    assert sum(ticks) == 300
