"""Intervals that know trainings from episodes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lapa_edge.evaluate.seed_statistics import (
    episode_interval,
    paired_differences,
    seed_interval,
)
from lapa_edge.evaluate.statistics import wilson_interval


def episodes(solved: int, count: int = 20) -> list[float]:
    return [1.0] * solved + [0.0] * (count - solved)


def test_every_task_counts_alike() -> None:
    found = seed_interval([{"a": episodes(20, 20), "b": episodes(0, 5)}] * 2)
    assert found.value == 0.5


def test_seeds_that_disagree_widen_the_interval_beyond_wilsons() -> None:
    apart = seed_interval([{"a": episodes(18)}, {"a": episodes(10)}, {"a": episodes(2)}])
    alike = seed_interval([{"a": episodes(10)}] * 3)
    low, high = wilson_interval(30, 60)
    assert apart.value == alike.value == 0.5
    assert apart.high - apart.low > 1.8 * (high - low)
    assert alike.high - alike.low < 1.2 * (high - low)


def test_one_training_says_nothing_of_others() -> None:
    found = seed_interval([{"a": episodes(15)}])
    assert found.value == 0.75
    assert math.isnan(found.low)


def test_pairing_takes_out_what_the_scenes_share() -> None:
    scene = np.random.default_rng(0).integers(0, 2, (3, 40)).astype(float)
    better = {s: {"a": scene[s].tolist()} for s in range(3)}
    worse = {s: {"a": (scene[s] * (np.arange(40) % 5 > 0)).tolist()} for s in range(3)}
    found = seed_interval(paired_differences(better, worse))
    assert 0 < found.low <= found.value <= found.high
    apart = seed_interval(list(better.values())), seed_interval(list(worse.values()))
    assert apart[0].low < apart[1].high, "unpaired, the two could not be told apart"


def test_only_common_seeds_are_paired_and_other_episodes_refused() -> None:
    one, other = {0: {"a": [1.0, 1.0]}, 1: {"a": [0.0, 0.0]}}, {0: {"a": [0.0, 1.0]}}
    assert paired_differences(one, other) == [{"a": [1.0, 0.0]}]
    with pytest.raises(ValueError, match="seed 0: other tasks or episodes"):
        paired_differences(one, {0: {"a": [1.0]}})
    assert not paired_differences(one, {})


def test_episodes_that_all_trainings_share_are_drawn_for_all_of_them_at_once() -> None:
    hard = np.random.default_rng(1).normal(size=30)
    trainings = [{"a": (hard + 0.01 * s).tolist()} for s in range(4)]
    alike = episode_interval(trainings)
    width = 2 * 1.96 * hard.std() / np.sqrt(30)
    assert alike.high - alike.low == pytest.approx(width, rel=0.1)
    crossed, apart = seed_interval(trainings, crossed=True), seed_interval(trainings)
    assert crossed.high - crossed.low == pytest.approx(width, rel=0.1)
    assert apart.high - apart.low < 0.7 * width, "four trainings are no four sets of episodes"


def test_a_lone_episode_has_no_interval_and_other_episodes_are_refused() -> None:
    found = episode_interval([{"a": [0.3]}, {"a": [0.5]}])
    assert found.value == pytest.approx(0.4)
    assert math.isnan(found.low)
    with pytest.raises(ValueError, match="the same episodes of the same tasks"):
        episode_interval([{"a": [1.0, 2.0]}, {"a": [1.0, 2.0, 3.0]}])
