"""True motion between the frames of a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.episode import Steps
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.evaluate.latents.motion import true_motion
from lapa_edge.evaluate.latents.sample import draw_pairs


def test_motion_is_what_the_oracle_sees(world: Any, oracle: Any) -> None:
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 200)
    motion = true_motion(world.dataset, world.store, sample)
    seen = oracle.encode(world.store.all[sample.first], world.store.all[sample.second])
    assert motion is not None
    assert motion.known.all()
    assert motion.value[:, :2] == pytest.approx(seen.latents[:, :, 0])
    assert motion.names == ("dx", "dy", "grip")


def test_language_table_motion_is_the_way_of_the_target(shared_data: Path) -> None:
    root = shared_data / "language_table_sim"
    dataset = read_dataset(root, ReadOptions(split="val"))
    counts = np.array([e.frame_count for e in dataset.episodes])
    offsets = np.cumsum(counts) - counts
    spans = {e.name: (int(o), int(c)) for e, o, c in zip(dataset.episodes, offsets, counts)}  # noqa: B905
    store = FrameStore(np.zeros((int(counts.sum()), 1, 1, 3), np.uint8), spans)
    sample = draw_pairs(store, dataset.fps, 0.4, 500)
    motion = true_motion(dataset, store, sample)
    assert motion is not None
    assert motion.known.all()
    episodes = pq.read_table(root / "episodes.parquet").to_pylist()
    index = {row["name"]: row["episode_index"] for row in episodes}
    steps = pq.read_table(root / "steps.parquet", columns=["episode_index", "effector_target"])
    of_step = steps["episode_index"].to_numpy()
    target = np.array(steps["effector_target"].to_pylist())
    for row in range(0, 500, 37):
        name = sample.names[sample.clip[row]]
        way = target[of_step == index[name]]
        i, j = (frames[row] - store.offset(name) for frames in (sample.first, sample.second))
        assert motion.value[row] == pytest.approx(way[j] - way[i], abs=1e-6)


def test_pairs_that_the_steps_do_not_cover_are_unknown(make_world: Callable[..., Any]) -> None:
    world = make_world(2)
    first, second = world.dataset.episodes
    assert first.steps is not None
    half = Steps(first.steps.time_s[:20], first.steps.state[:20], first.steps.action[:20])
    episodes = (replace(first, steps=half), replace(second, steps=None))
    dataset = replace(world.dataset, episodes=episodes)
    sample = draw_pairs(world.store, dataset.fps, 0.4, 1000)
    motion = true_motion(dataset, world.store, sample)
    assert motion is not None
    assert sample.second[motion.known].max() == 20  # the last step ends there
    assert not motion.value[~motion.known].any()


def test_video_without_actions_has_no_motion(make_world: Callable[..., Any]) -> None:
    world = make_world(2, labelled=False)
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 50)
    assert true_motion(world.dataset, world.store, sample) is None
