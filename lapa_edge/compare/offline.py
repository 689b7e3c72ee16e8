"""Bundles asked about episodes they never saw, in processes that never import torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from lapa_edge.artifact import load_bundle
from lapa_edge.compare.outcomes import OFFLINE, Cell
from lapa_edge.compare.unseen_codes import read_codes
from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.files import replacing
from lapa_edge.evaluate.offline import evaluate_offline
from lapa_edge.evaluate.offline_result import LAST, MEAN, POLICY, STOP, OfflineEpisode
from lapa_edge.runtime.session import Session

ACTION_ERROR, DIRECTION, ON_COURSE = "action_error", "direction_cosine", "on_course"
CODE_ACCURACY = "code_accuracy"
COMMONEST = "commonest code"
# What looks at nothing, beside which a number means something.
REFERENCES = (STOP, MEAN, LAST, COMMONEST)


@dataclass(frozen=True)
class OfflineJob:
    """One bundle, one dataset, the codes of its stage 1 if it has one, where the answer is kept."""

    bundle: Path
    data: Path
    reading: ReadOptions
    latency_s: float
    every: int
    codes: Path | None
    answer: Path


class OfflineAnswer(msgspec.Struct, frozen=True):
    """What the bundle came to; `references`, by metric, of policies that look at nothing."""

    cells: list[Cell]
    references: dict[str, dict[str, float]]


Outcomes = dict[str, list[float]]


def ask_offline(job: OfflineJob) -> Path:
    """Evaluate and keep the answer; returns where.

    Raises:
        LapaError: the dataset is absent, not labelled, or of another robot.
    """
    bundle = load_bundle(job.bundle)
    dataset = read_dataset(job.data, job.reading)
    result = evaluate_offline(
        lambda words: Session(bundle, words),
        dataset,
        latency_s=job.latency_s,
        every=job.every,
        codes=read_codes(job.codes) if job.codes else None,
    )
    cells = [
        Cell(metric=metric, execution=OFFLINE, latency_s=job.latency_s, outcomes=outcomes)
        for metric, outcomes in outcomes_of(result.each, POLICY).items()
    ]
    references: dict[str, dict[str, float]] = {}
    for subject in REFERENCES:
        for metric, outcomes in outcomes_of(result.each, subject).items():
            mean = float(np.mean([np.mean(values) for values in outcomes.values()]))
            references.setdefault(metric, {})[subject] = mean
    with replacing(job.answer) as partial:
        partial.write_bytes(msgspec.json.encode(OfflineAnswer(cells, references)))
    return job.answer


def outcomes_of(episodes: Sequence[OfflineEpisode], subject: str) -> dict[str, Outcomes]:
    """By metric and task, a number per episode that the metric can be told of."""
    found: dict[str, Outcomes] = {}
    for one in episodes:
        for metric, value in _measure(one, subject).items():
            found.setdefault(metric, {}).setdefault(task_of(one.name), []).append(value)
    return found


def task_of(episode: str) -> str:
    """``push_0012`` is an episode of ``push``; a name that ends otherwise, of ``all``."""
    found = re.fullmatch(r"(.*?)[_-]?\d+", Path(episode).name)
    return found[1] if found and found[1] else "all"


def _measure(one: OfflineEpisode, subject: str) -> dict[str, float]:
    found = {}
    if errors := one.normalised.get(subject):  # over moments and horizon, in the actions' spreads
        found[ACTION_ERROR] = sum(errors) / len(errors) / one.moments
        if one.moving:
            found[DIRECTION] = one.cosine[subject] / one.moving
            found[ON_COURSE] = one.on_course[subject] / one.moving
    hits = {POLICY: one.right, COMMONEST: one.commonest}
    if one.coded and subject in hits:
        found[CODE_ACCURACY] = hits[subject] / one.coded
    return found
