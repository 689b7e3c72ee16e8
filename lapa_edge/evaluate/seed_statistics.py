"""What may be said of a method beyond the seeds it was trained with.

Rollouts of one training resemble each other more than those of two, so an interval over pooled
rollouts (Wilson's) speaks of these trainings alone. Here both are drawn anew: trainings first,
then the episodes of each within every task (a hierarchical bootstrap; Agarwal et al. 2021, arXiv
2108.13264, draw runs within tasks). Every task counts alike. With the three to five seeds that are
affordable such intervals are still too narrow: what was never drawn cannot be drawn again.

Rollouts of two trainings meet different scenes; recorded episodes are the same ones for all. Those
are ``crossed``: an episode that is drawn is drawn for every training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.evaluate.latents.estimate import Estimate

DRAWS = 2000

Floats = NDArray[np.float64]
Outcomes = Mapping[str, Sequence[float]]
"""What every episode came to, by task; the same tasks in every training."""


def seed_interval(
    trainings: Sequence[Outcomes], seed: int = 0, *, crossed: bool = False
) -> Estimate:
    """Mean over tasks of one method, and its 95 % interval over trainings and episodes.

    Args:
        trainings: outcomes per seed of the method, at least one.
        seed: of the draws.
        crossed: whether every training met the very same episodes, in the same order.

    Returns:
        Bounds are NaN with a single training: nothing is known of others.

    Raises:
        ValueError: crossed trainings met other tasks or other episodes.
    """
    if crossed:
        check_crossed(trainings)
    tasks = _by_task(trainings)
    if len(tasks) < 2:
        return Estimate(_mean(tasks), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    # Every place is filled anew: a training that is drawn twice has its episodes drawn twice.
    drawn = _draw_crossed(tasks, rng) if crossed else None
    places = [
        (_draw_episodes(tasks, rng) if drawn is None else drawn)[
            rng.integers(len(tasks), size=DRAWS), np.arange(DRAWS)
        ]
        for _ in tasks
    ]
    return _bounded(tasks, np.mean(places, 0))


def episode_interval(trainings: Sequence[Outcomes], seed: int = 0) -> Estimate:
    """As `seed_interval` of crossed trainings, of these trainings alone: episodes are drawn.

    Returns:
        Bounds are NaN where no task has two episodes.

    Raises:
        ValueError: the trainings met other tasks or other episodes.
    """
    check_crossed(trainings)
    tasks = _by_task(trainings)
    if all(len(task) < 2 for training in tasks for task in training):
        return Estimate(_mean(tasks), float("nan"), float("nan"))
    drawn = _draw_crossed(tasks, np.random.default_rng(seed))
    return _bounded(tasks, drawn.mean(0))


def paired_differences(
    first: Mapping[int, Outcomes], second: Mapping[int, Outcomes]
) -> list[Outcomes]:
    """First minus second: same seeds, same scenes, so each episode meets its counterpart.

    Args:
        first, second: outcomes by training seed; only the seeds that both have are compared, and
            their episodes are in the same order.

    Returns:
        Differences per common seed, in order, for the intervals above.

    Raises:
        ValueError: two trainings of one seed met other tasks or other episodes.
    """
    differences: list[Outcomes] = []
    for training in sorted(first.keys() & second.keys()):
        one, other = first[training], second[training]
        if {t: len(v) for t, v in one.items()} != {t: len(v) for t, v in other.items()}:
            raise ValueError(f"seed {training}: other tasks or episodes")
        differences.append({t: np.subtract(one[t], other[t]).tolist() for t in one})
    return differences


def check_crossed(trainings: Sequence[Outcomes]) -> None:
    """Raise `ValueError` where trainings met other tasks, or other numbers of episodes."""
    first, *others = [{t: len(values) for t, values in one.items() if values} for one in trainings]
    if any(one != first for one in others):
        raise ValueError("expected the same episodes of the same tasks in every training")


def _by_task(trainings: Sequence[Outcomes]) -> list[list[Floats]]:
    return [[np.asarray(t[name], float) for name in sorted(t) if t[name]] for t in trainings]


def _mean(tasks: Sequence[Sequence[Floats]]) -> float:
    return float(np.mean([np.mean([task.mean() for task in training]) for training in tasks]))


def _bounded(tasks: Sequence[Sequence[Floats]], drawn: Floats) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(_mean(tasks), float(low), float(high))


def _draw_episodes(trainings: Sequence[Sequence[Floats]], rng: np.random.Generator) -> Floats:
    """Means [trainings, DRAWS] over tasks of episodes that every training draws for itself."""
    return np.array(
        [
            np.mean([rng.choice(task, (DRAWS, len(task))).mean(1) for task in training], 0)
            for training in trainings
        ]
    )


def _draw_crossed(trainings: Sequence[Sequence[Floats]], rng: np.random.Generator) -> Floats:
    """Means [trainings, DRAWS] over tasks of episodes that are drawn for all trainings alike."""
    chosen = [rng.integers(len(task), size=(DRAWS, len(task))) for task in trainings[0]]
    return np.array(
        [
            np.mean([task[i].mean(1) for task, i in zip(training, chosen, strict=True)], 0)
            for training in trainings
        ]
    )
