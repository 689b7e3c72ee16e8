"""A/A: the same thing measured twice, as if the two were rivals. What they differ by means nothing.

The two take turns, and take turns in going first; their medians are compared block by block.
"""

from __future__ import annotations

import time

import msgspec
import numpy as np

from lapa_edge.runtime.profile.latency import Clock, Part, measure_rounds, time_parts

BLOCKS = 10


class NoiseFloor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a call's p50 lies from its own, measured beside it.

    Attributes:
        ratio: of the two medians, over all rounds.
        low, high: the smallest and the largest ratio of medians over blocks of rounds.
        repeats: rounds.
    """

    ratio: float
    low: float
    high: float
    repeats: int

    @property
    def percent(self) -> float:
        """A difference below this much, in percent, is none."""
        return 100 * max(abs(self.high - 1), abs(self.low - 1), abs(self.ratio - 1))


def measure_noise(
    part: Part, repeats: int, warm_up: int, clock: Clock = time.perf_counter_ns
) -> NoiseFloor:
    """Measure `part` against itself."""
    first = False

    def one() -> dict[str, int]:
        nonlocal first
        first = not first
        names = ("a", "b") if first else ("b", "a")
        return time_parts(dict.fromkeys(names, part), clock)

    measured = measure_rounds(one, repeats, warm_up)
    a, b = measured["a"], measured["b"]
    blocks = min(BLOCKS, repeats)
    pairs = zip(np.array_split(a, blocks), np.array_split(b, blocks), strict=True)
    ratios = [float(np.median(x) / np.median(y)) for x, y in pairs]
    return NoiseFloor(
        ratio=float(np.median(a) / np.median(b)),
        low=min(ratios),
        high=max(ratios),
        repeats=repeats,
    )
