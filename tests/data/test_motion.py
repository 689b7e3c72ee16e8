"""Sums of the actions executed between two frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.data.episode import Episode, Steps
from lapa_edge.data.motion import executed_actions
from lapa_edge.data.video import VideoFile


@given(
    rate_hz=st.sampled_from([5.0, 10.0, 12.5, 30.0]),
    count=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_sums_are_those_of_a_plain_loop(rate_hz: float, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fps, frames = 10.0, 12
    time_s = np.arange(count) / rate_hz
    time_s = time_s[time_s <= frames / fps]
    action = rng.normal(size=(len(time_s), 2)).astype(np.float32)
    steps = Steps(time_s, np.zeros((len(time_s), 1)), action)
    episode = Episode("a", VideoFile(Path("a.mp4")), fps, frames, "", steps)
    executed = executed_actions(episode, frames)
    first, second = rng.integers(frames, size=(2, 20))
    first, second = np.minimum(first, second), np.maximum(first, second)
    for i, j, total, steps_taken in zip(
        first, second, executed.total(first, second), executed.count(first, second), strict=True
    ):
        during = (time_s > i / fps - 1e-3) & (time_s < j / fps - 1e-3)
        assert steps_taken == during.sum()
        assert total == pytest.approx(action[during].sum(0), abs=1e-5)
