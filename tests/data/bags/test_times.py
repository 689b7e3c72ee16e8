"""From times of receipt to an even rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapa_edge.data.bags.reader import read_bags
from lapa_edge.data.bags.video import regular_frames
from lapa_edge.errors import DataError

from .files import START_NS, clip, write_bag


def test_dropped_images_leave_every_second_where_it_was(tmp_path: Path) -> None:
    kept = [record for i, record in enumerate(clip(30)) if i not in (5, 6, 7, 20)]
    (episode,) = read_bags(write_bag(tmp_path / "run", kept)).episodes
    assert episode.fps == pytest.approx(10.0)
    assert episode.frame_count == 30
    shown = [int(frame[0, 0, 0]) for frame in episode.video.read()]
    assert (shown[5], shown[7]) == (4, 8)
    assert shown[6] in (4, 8) and shown[20] in (19, 21)  # equally near
    whole = [i for i in range(30) if i not in (5, 6, 7, 20)]
    assert [shown[i] for i in whole] == whole


def seconds(*times: float) -> np.ndarray:
    return START_NS + np.round(np.array(times) * 1e9).astype(np.int64)


def test_small_jitter_uses_every_image_once() -> None:
    jitter = np.random.default_rng(0).uniform(-0.03, 0.03, 50)
    fps, picks = regular_frames("cam", seconds(*(np.arange(50) / 10 + jitter)))
    assert fps == pytest.approx(10, rel=0.02)
    assert picks.tolist() == list(range(50))


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.floats(0.05, 0.2), min_size=1, max_size=60),
    drops=st.lists(st.integers(0, 59), max_size=3),
)
def test_each_frame_is_the_image_nearest_to_its_time(gaps: list[float], drops: list[int]) -> None:
    for drop in drops:
        gaps[drop % len(gaps)] += 1.0
    times = seconds(0, *np.cumsum(gaps))
    try:
        fps, picks = regular_frames("cam", times)
    except DataError:
        return
    assert (np.diff(picks) >= 0).all() and picks[0] == 0
    time_s = (times - times[0]) / 1e9
    wanted_s = np.arange(len(picks)) / fps
    assert abs(wanted_s[-1] - time_s[-1]) <= 0.5 / fps + 1e-6
    each_once = len(picks) == len(times) and (picks == np.arange(len(times))).all()
    if each_once and np.abs(time_s - wanted_s).max() <= 0.5 / fps + 1e-6:
        return
    nearest = np.abs(wanted_s[:, None] - time_s).min(axis=1)
    np.testing.assert_allclose(np.abs(wanted_s - time_s[picks]), nearest, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ([], "expected at least 2 images, got 0"),
        ([0.0], "expected at least 2 images, got 1"),
        ([0.0, 0.0, 0.0], "do not increase"),
        ([0.0, 0.2, 0.1], "do not increase"),
        ([0.0, 0.001, 0.002, 5.0], "no even rate describes them"),
    ],
)
def test_times_without_a_rate_are_refused(times: list[float], problem: str) -> None:
    with pytest.raises(DataError, match=f"cam: .*{problem}"):
        regular_frames("cam", seconds(*times))
