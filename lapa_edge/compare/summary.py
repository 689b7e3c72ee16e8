"""Findings to the numbers of a table: rows per method, differences of pairs, both with intervals.

Two kinds of interval stand side by side. One says how well these trainings are known: of success,
``wilson`` and ``newcombe`` over pooled rollouts; of other metrics, whose episodes are the same for
every training, ``episodes`` drawn anew. The other, ``seeds``, draws trainings too (see
`evaluate.seed_statistics`): it says what another training would do, and is unknown with one seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import msgspec
import numpy as np

from lapa_edge.compare.outcomes import SUCCESS, Condition
from lapa_edge.compare.results import Findings
from lapa_edge.errors import DataError
from lapa_edge.evaluate.latents.estimate import Estimate
from lapa_edge.evaluate.seed_statistics import (
    Outcomes,
    check_crossed,
    episode_interval,
    paired_differences,
    seed_interval,
)
from lapa_edge.evaluate.statistics import difference_interval, wilson_interval

Interval = tuple[float, float]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One variant by one metric in one condition.

    Attributes:
        mean: over tasks alike, then over seeds.
        wilson: of success over pooled episodes; None for other metrics.
        episodes_interval: of other metrics, over episodes; None of success, or with one episode.
        seeds_interval: over trainings and episodes; None with one seed.
        by_seed: the mean of each training, by seed; their spread is what luck does.
        tasks: mean by task over all seeds and episodes.
        solved: by task, solved and tried; empty for other metrics.
    """

    variant: str
    metric: str
    mean: float
    wilson: Interval | None
    episodes_interval: Interval | None
    seeds_interval: Interval | None
    by_seed: dict[int, float]
    episodes: int
    tasks: dict[str, float]
    solved: dict[str, tuple[int, int]]
    parameters: int
    cpu_s: float


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """First minus second by one metric, on the seeds that both have."""

    first: str
    second: str
    metric: str
    difference: float
    newcombe: Interval | None
    episodes_interval: Interval | None
    seeds_interval: Interval | None
    seeds: int


def row(
    findings: Findings, variant: str, metric: str, condition: Condition | None = None
) -> Row | None:
    """One row; None where the variant was not measured so."""
    by_seed = findings.outcomes(variant, metric, condition)
    if not by_seed:
        return None
    trainings = list(by_seed.values())
    pooled = _pooled(trainings)
    every = [value for values in pooled.values() for value in values]
    success = metric == SUCCESS
    if not success:
        _check_episodes(variant, by_seed)
    estimate = seed_interval(trainings, crossed=not success)
    of = [found for found in findings.of(variant) if found.seed in by_seed]
    return Row(
        variant=variant,
        metric=metric,
        mean=estimate.value,
        wilson=wilson_interval(round(sum(every)), len(every)) if success else None,
        episodes_interval=None if success else _known(episode_interval(trainings)),
        seeds_interval=_known(estimate),
        by_seed={seed: seed_interval([one]).value for seed, one in by_seed.items()},
        episodes=len(every),
        tasks={task: float(np.mean(values)) for task, values in pooled.items() if values},
        solved={t: (round(sum(v)), len(v)) for t, v in pooled.items()} if success else {},
        parameters=of[0].parameters,
        cpu_s=float(np.mean([found.cpu_s for found in of])),
    )


def rows(findings: Findings, metric: str) -> list[Row]:
    """Every variant by one metric, as it is usually driven."""
    found = (row(findings, variant, metric) for variant in findings.variants)
    return [one for one in found if one]


def pairs(findings: Findings, metric: str, variants: Sequence[str]) -> list[Pair]:
    """Every two of `variants`, the later minus the earlier."""
    compared = (
        _pair(findings, second, first, metric) for first, second in combinations(variants, 2)
    )
    return [pair for pair in compared if pair]


def _pair(findings: Findings, first: str, second: str, metric: str) -> Pair | None:
    one, other = (findings.outcomes(variant, metric) for variant in (first, second))
    common = sorted(one.keys() & other.keys())
    if not common:
        return None
    success = metric == SUCCESS
    differences = paired_differences(one, other)
    estimate = seed_interval(differences, crossed=not success)
    newcombe = None
    if success:
        counts = []
        for outcomes in (one, other):
            every = [v for seed in common for values in outcomes[seed].values() for v in values]
            counts += [round(sum(every)), len(every)]
        newcombe = difference_interval(*counts)
    return Pair(
        first=first,
        second=second,
        metric=metric,
        difference=estimate.value,
        newcombe=newcombe,
        episodes_interval=None if success else _known(episode_interval(differences)),
        seeds_interval=_known(estimate),
        seeds=len(common),
    )


def _check_episodes(variant: str, by_seed: Mapping[int, Outcomes]) -> None:
    """Raise `DataError` where the dataset changed between two seeds."""
    (first, before), *others = by_seed.items()
    for seed, outcomes in others:
        try:
            check_crossed([before, outcomes])
        except ValueError as error:
            raise DataError(
                f"comparison, {variant}",
                f"seeds {first} and {seed} were judged on other episodes: the data changed since",
                "restore it, or remove offline.json and result.json of every VARIANT/SEED under "
                "--out to judge all of them anew",
            ) from error


def _pooled(trainings: Sequence[Outcomes]) -> dict[str, list[float]]:
    tasks = dict.fromkeys(task for one in trainings for task in one)
    return {task: [v for one in trainings for v in one.get(task, ())] for task in tasks}


def _known(found: Estimate) -> Interval | None:
    """None where nothing is known, nor where every draw was the same: that is no certainty."""
    return None if math.isnan(found.low) or found.low == found.high else (found.low, found.high)
