"""What may be said of a method beyond the seeds it was trained with.

Rollouts of one training resemble each other more than those of two, so an interval over pooled
rollouts (Wilson's) speaks of these trainings alone. Here both are drawn anew: trainings first,
then the episodes of each within every task (a hierarchical bootstrap; Agarwal et al. 2021, arXiv
2108.13264, draw runs within tasks). Every task counts alike. With the three to five seeds that are
affordable such intervals are still too narrow: what was never drawn cannot be drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.evaluate.latents.estimate import Estimate

DRAWS = 2000

Outcomes = Mapping[str, Sequence[float]]
"""What every episode came to, by task; the same tasks in every training."""


def seed_interval(trainings: Sequence[Outcomes], seed: int = 0) -> Estimate:
    """Mean over tasks of one method, and its 95 % interval over trainings and episodes.

    Args:
        trainings: outcomes per seed of the method, at least one.
        seed: of the draws.

    Returns:
        Bounds are NaN with a single training: nothing is known of others.
    """
    tasks = [[np.asarray(t[name], float) for name in sorted(t) if t[name]] for t in trainings]
    value = float(np.mean([np.mean([task.mean() for task in training]) for training in tasks]))
    if len(tasks) < 2:
        return Estimate(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    # Every place is filled anew: a training that is drawn twice has its episodes drawn twice.
    places = [_draw_training(tasks, rng) for _ in tasks]
    low, high = np.percentile(np.mean(places, 0), [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def paired_interval(
    first: Mapping[int, Outcomes], second: Mapping[int, Outcomes], seed: int = 0
) -> Estimate:
    """First minus second: same seeds, same scenes, so each episode meets its counterpart.

    Args:
        first, second: outcomes by training seed; only the seeds that both have are compared, and
            their episodes are in the same order.
        seed: of the draws.

    Raises:
        ValueError: two trainings of one seed met other tasks or other episodes.
    """
    differences = []
    for training in sorted(first.keys() & second.keys()):
        one, other = first[training], second[training]
        if {t: len(v) for t, v in one.items()} != {t: len(v) for t, v in other.items()}:
            raise ValueError(f"seed {training}: other tasks or episodes")
        differences.append({t: np.subtract(one[t], other[t]).tolist() for t in one})
    if not differences:
        return Estimate(float("nan"), float("nan"), float("nan"))
    return seed_interval(differences, seed)


def _draw_training(
    trainings: Sequence[Sequence[NDArray[np.float64]]], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Float64 [DRAWS]: each a training drawn anew, and its mean over tasks of drawn episodes."""
    means = [
        np.mean([rng.choice(task, (DRAWS, len(task))).mean(1) for task in training], 0)
        for training in trainings
    ]
    chosen = rng.integers(len(trainings), size=DRAWS)
    drawn: NDArray[np.float64] = np.array(means)[chosen, np.arange(DRAWS)]
    return drawn
