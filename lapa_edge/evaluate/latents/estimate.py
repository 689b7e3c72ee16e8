"""What may be said of a number measured on clips: 95 % intervals that know clips from frames.

Pairs of one clip resemble each other, so clips are what is drawn anew, never pairs. The weights
are those of the Bayesian bootstrap (Rubin 1981): every clip keeps some weight, so that no draw
is without data, which the ordinary bootstrap cannot promise for a handful of clips. With fewer
than about ten clips every such interval is too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; NaN bounds where one clip alone gives none."""

    value: float
    low: float
    high: float


def clip_weights(clips: int, seed: int, draws: int = DRAWS) -> Array:
    """Weights float64 [1 + draws, clips]: all ones first, then one row per draw."""
    drawn = np.random.default_rng(seed).standard_exponential((draws, clips))
    return np.concatenate([np.ones((1, clips)), drawn])


def sum_by_clip(clip: NDArray[np.int64], values: Array, clips: int) -> Array:
    """Sums float64 [clips, ...] of `values` [m, ...] over the pairs of each clip."""
    sums = np.zeros((clips, *values.shape[1:]))
    np.add.at(sums, clip, values)
    return sums


def estimate(statistic: Callable[[Array], Array], weights: Array) -> Estimate:
    """The statistic under all weights alike, and its spread under the drawn ones.

    Args:
        statistic: weights [r, clips] -> values [r].
        weights: as `clip_weights` gives them.
    """
    return summarise(statistic(weights), weights.shape[1])


def summarise(values: Array, clips: int) -> Estimate:
    """Values [1 + draws], the plain one first, to an estimate."""
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.nan, np.nan
    if clips > 1 and len(drawn):
        low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))
