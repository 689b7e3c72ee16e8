"""Intervals that know clips from frames."""

from __future__ import annotations

import math

import numpy as np

from lapa_edge.evaluate.latents.estimate import Estimate, clip_weights, estimate, sum_by_clip


def interval_of_mean(values: np.ndarray, clip: np.ndarray, clips: int) -> Estimate:
    columns = np.stack([values, np.ones_like(values)], axis=1)
    sums = sum_by_clip(clip, columns, clips)
    return estimate(lambda w: (w @ sums)[:, 0] / (w @ sums)[:, 1], clip_weights(clips, 0))


def test_ninety_five_of_a_hundred_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        found = interval_of_mean(rng.normal(1.0, 1.0, 30), np.arange(30), 30)
        held += found.low <= 1.0 <= found.high
    assert 180 <= held <= 198


def test_repeating_the_frames_of_a_clip_makes_nothing_surer() -> None:
    values = np.random.default_rng(1).normal(size=12)
    once = interval_of_mean(values, np.arange(12), 12)
    often = interval_of_mean(values.repeat(50), np.arange(12).repeat(50), 12)
    assert np.allclose([once.low, once.high], [often.low, often.high])


def test_one_clip_gives_no_interval() -> None:
    found = interval_of_mean(np.array([1.0, 3.0]), np.array([0, 0]), 1)
    assert found.value == 2.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)
