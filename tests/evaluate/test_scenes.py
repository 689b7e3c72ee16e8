"""Scenes by seed: what is evaluated was never recorded."""

from __future__ import annotations

import pytest

from lapa_edge.demo.plan import FULL
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.recording import MAX_TRIES, RETRY_STRIDE
from lapa_edge.evaluate.scenes import SCENES_PER_SEED, scene_seeds


def test_no_rollout_shows_a_recorded_scene() -> None:
    for seed in (0, 1, 7):
        rollouts = {s for seeds in FULL.scenes("rollouts", seed).values() for s in seeds}
        recorded = {
            s + attempt * RETRY_STRIDE
            for use in ("videos", "demos")
            for seeds in FULL.scenes(use, seed).values()
            for s in seeds
            for attempt in range(MAX_TRIES)
        }
        assert rollouts
        assert not rollouts & recorded


def test_no_two_tasks_and_no_two_uses_share_a_seed_at_the_limits() -> None:
    ranges = [
        scene_seeds(use, task, 99, SCENES_PER_SEED)
        for use in ("videos", "demos", "rollouts")
        for task in range(50)
    ]
    assert len({seed for seeds in ranges for seed in seeds}) == 150 * SCENES_PER_SEED


@pytest.mark.parametrize(("task", "seed", "count"), [(50, 0, 1), (0, 99, 101), (0, -1, 1)])
def test_scenes_that_would_reach_into_others_are_refused(task: int, seed: int, count: int) -> None:
    with pytest.raises(ConfigError, match="scenes of demos: expected up to 50 tasks"):
        scene_seeds("demos", task, seed, count)
