"""What may be said of a success rate: Wilson's interval (Wilson 1927), and of a difference.

And how numbers that are no rates lie: their quartiles, their mean and tail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

Z_95 = 1.959963984540054


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95 % interval of a success rate, in [0, 1]; (0, 1) when nothing was tried."""
    if episodes == 0:
        return 0.0, 1.0
    rate, z2 = successes / episodes, Z_95**2
    centre = (rate + z2 / (2 * episodes)) / (1 + z2 / episodes)
    half = (
        Z_95
        / (1 + z2 / episodes)
        * math.sqrt(rate * (1 - rate) / episodes + z2 / (4 * episodes**2))
    )
    return max(0.0, centre - half), min(1.0, centre + half)


def difference_interval(
    successes_a: int, episodes_a: int, successes_b: int, episodes_b: int
) -> tuple[float, float]:
    """The 95 % interval of ``rate_a - rate_b`` (Newcombe 1998, method 10: from Wilson's)."""
    if episodes_a == 0 or episodes_b == 0:
        return -1.0, 1.0
    a, b = successes_a / episodes_a, successes_b / episodes_b
    low_a, high_a = wilson_interval(successes_a, episodes_a)
    low_b, high_b = wilson_interval(successes_b, episodes_b)
    low = a - b - math.hypot(a - low_a, high_b - b)
    high = a - b + math.hypot(high_a - a, b - low_b)
    return low, high


class Quartiles(msgspec.Struct, frozen=True):
    """A median, and the quarter below and above it."""

    low: float
    median: float
    high: float


class Spread(msgspec.Struct, frozen=True):
    """A mean, and how far the tail reaches."""

    mean: float
    p95: float
    max: float


def quartiles(values: Sequence[float]) -> Quartiles | None:
    """Of any number of values; None of none."""
    if not len(values):
        return None
    return Quartiles(*(float(q) for q in np.percentile(values, (25, 50, 75))))


def spread(values: Sequence[float]) -> Spread | None:
    """Of any number of values; None of none."""
    if not len(values):
        return None
    return Spread(float(np.mean(values)), float(np.percentile(values, 95)), float(np.max(values)))
