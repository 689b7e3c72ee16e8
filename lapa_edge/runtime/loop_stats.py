"""What a control loop counted and timed since its start."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native


@dataclass(frozen=True)
class Percentiles:
    """Of times in seconds: each is at most 3 % above one that occurred; max is exact."""

    p50_s: float
    p99_s: float
    p999_s: float
    max_s: float


@dataclass(frozen=True)
class LoopStats:
    """Since the last start.

    ticks: commands given; skipped: deadlines that passed during earlier ticks; late: ticks that
    began more than a tenth of a period after their deadline; statuses: ticks by how they ended,
    "moving" or why not; lateness: from a deadline to its tick's begin; execution: from there to
    its command; latent_age: of the latents that ticks saw.
    """

    ticks: int
    skipped: int
    late: int
    statuses: dict[str, int]
    lateness: Percentiles
    execution: Percentiles
    latent_age: Percentiles


def summarise(counts: NDArray[np.int64], max_ns: int) -> Percentiles:
    """Percentiles of a native histogram ``int64 [buckets]``; NaN where it is empty."""
    if not counts.any():
        return Percentiles(*[math.nan] * 4)
    ends = _native.histogram_ends()
    up_to = counts.cumsum()
    ranks = np.ceil(np.array([0.5, 0.99, 0.999]) * up_to[-1])
    # The last value in a bucket, but nothing longer than the longest.
    longest = np.minimum(ends[np.searchsorted(up_to, ranks)] - 1, max_ns)
    p50, p99, p999 = (longest / 1e9).tolist()
    return Percentiles(p50_s=p50, p99_s=p99, p999_s=p999, max_s=max_ns / 1e9)
