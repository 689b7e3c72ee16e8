"""Bundles asked about episodes they never saw, in processes that never import torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lapa_edge.artifact import load_bundle
from lapa_edge.compare.outcomes import OFFLINE, Cell
from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.files import replacing
from lapa_edge.evaluate.offline import evaluate_offline
from lapa_edge.evaluate.offline_result import MEAN, POLICY, STOP, OfflineEpisode
from lapa_edge.runtime.session import Session

ACTION_ERROR, DIRECTION = "action_error", "direction_cosine"
# What looks at nothing, beside which an error means something.
REFERENCES = (STOP, MEAN)


@dataclass(frozen=True)
class OfflineJob:
    """One bundle, one dataset, and where the answer is kept."""

    bundle: Path
    data: Path
    reading: ReadOptions
    latency_s: float
    every: int
    answer: Path


class OfflineAnswer(msgspec.Struct, frozen=True):
    """What the bundle came to; `references` are mean errors of policies that look at nothing."""

    cells: list[Cell]
    references: dict[str, float]


def ask_offline(job: OfflineJob) -> Path:
    """Evaluate and keep the answer; returns where.

    Raises:
        LapaError: the dataset is absent, not labelled, or of another robot.
    """
    bundle = load_bundle(job.bundle)
    dataset = read_dataset(job.data, job.reading)
    result = evaluate_offline(
        lambda words: Session(bundle, words), dataset, latency_s=job.latency_s, every=job.every
    )
    error: dict[str, list[float]] = {}
    cosine: dict[str, list[float]] = {}
    for one in result.each:
        task = task_of(one.name)
        error.setdefault(task, []).append(_error(one, POLICY))
        if one.moving:
            cosine.setdefault(task, []).append(one.cosine[POLICY] / one.moving)
    cells = [
        Cell(metric=metric, execution=OFFLINE, latency_s=job.latency_s, outcomes=outcomes)
        for metric, outcomes in ((ACTION_ERROR, error), (DIRECTION, cosine))
        if outcomes
    ]
    references = {
        name: sum(_error(one, name) for one in result.each) / len(result.each)
        for name in REFERENCES
    }
    with replacing(job.answer) as partial:
        partial.write_bytes(msgspec.json.encode(OfflineAnswer(cells, references)))
    return job.answer


def task_of(episode: str) -> str:
    """``push_0012`` is an episode of ``push``; a name that ends otherwise, of ``all``."""
    found = re.fullmatch(r"(.*?)[_-]?\d+", Path(episode).name)
    return found[1] if found and found[1] else "all"


def _error(one: OfflineEpisode, subject: str) -> float:
    """Mean over moments and horizon, in units of the actions' spread."""
    return sum(one.normalised[subject]) / len(one.normalised[subject]) / one.moments
