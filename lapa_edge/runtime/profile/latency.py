"""Times of calls, and what is said of them.

Warm-up first, then rounds in which everything runs once: parts measured one after another in
blocks would each meet another temperature, clock rate and neighbour. Times are monotonic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError

Part = Callable[[], object]
Round = Callable[[], Mapping[str, int]]  # nanoseconds by part
Clock = Callable[[], int]  # nanoseconds


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds over `repeats` calls; each is a time that occurred, none is interpolated.

    Of fewer than 1000 calls p99.9 is the maximum.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float
    repeats: int


def measure_rounds(one: Round, repeats: int, warm_up: int) -> dict[str, NDArray[np.int64]]:
    """Nanoseconds ``[repeats]`` by part, back to back.

    Args:
        one: runs everything once and says what it took; the same parts at every call.
        repeats: measured rounds, at least 1.
        warm_up: rounds before them that are not counted.

    Raises:
        ConfigError: `repeats` below 1, or `warm_up` below 0.
    """
    if repeats < 1 or warm_up < 0:
        raise ConfigError(
            "repeats and warm_up", f"expected at least 1 and 0, got {repeats} and {warm_up}"
        )
    for _ in range(warm_up):
        one()
    rows = [one() for _ in range(repeats)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def measure_parts(
    parts: Mapping[str, Part],
    repeats: int,
    warm_up: int,
    clock: Clock = time.perf_counter_ns,
    prepare: Callable[[Part], None] | None = None,
) -> dict[str, Latency]:
    """Latency of calls without arguments, interleaved: each runs once per round, in their order.

    `prepare` is called with each part before it is timed, to undo what the one before left behind.
    """
    measured = measure_rounds(lambda: time_parts(parts, clock, prepare), repeats, warm_up)
    return {name: summarise(nanoseconds) for name, nanoseconds in measured.items()}


def time_parts(
    parts: Mapping[str, Part],
    clock: Clock = time.perf_counter_ns,
    prepare: Callable[[Part], None] | None = None,
) -> dict[str, int]:
    """Nanoseconds that each took, run once, in order."""
    took = {}
    for name, part in parts.items():
        if prepare:
            prepare(part)
        start = clock()
        part()
        took[name] = clock() - start
    return took


def summarise(nanoseconds: NDArray[np.int64]) -> Latency:
    """Percentiles of measured times."""
    p50, p95, p99, p999 = np.percentile(nanoseconds, (50, 95, 99, 99.9), method="higher") / 1e6
    return Latency(
        p50_ms=float(p50),
        p95_ms=float(p95),
        p99_ms=float(p99),
        p99_9_ms=float(p999),
        max_ms=float(nanoseconds.max() / 1e6),
        repeats=len(nanoseconds),
    )
