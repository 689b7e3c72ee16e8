"""Answers of rollout jobs to the numbers of a report, over tasks, splits and all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.evaluate.statistics import Quartiles, Spread, quartiles, spread, wilson_interval


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """Success on one task. `split`: "seen" or "unseen" in training, or "".

    score: mean of the environment's success proxy at the end of its episodes.
    """

    successes: int
    episodes: int
    interval_95: tuple[float, float]
    mean_steps_to_success: float | None
    stops: int
    steps_to_success: Quartiles | None = None
    split: str = ""
    score: float | None = None


class SplitResult(msgspec.Struct, frozen=True, kw_only=True):
    """Success over the tasks that were seen in training, or over those that were not."""

    successes: int
    episodes: int
    interval_95: tuple[float, float]


class Motion(msgspec.Struct, frozen=True, kw_only=True):
    """How smoothly the robot was driven, in normalised actions; medians over episodes.

    jerk: root mean square of the action's second derivative, per s^2. jump: mean change of the
    action at the tick where a new latent takes over; between: at the others.
    """

    jerk: float | None
    jump: float | None
    between: float | None


class MethodResult(msgspec.Struct, frozen=True, kw_only=True):
    """Success of one bundle over tasks; `mean_success` weighs each episode alike.

    latent_age_s: of the latents that drove, tick by tick. stops_by_reason: ticks. stopped: the
    share of ticks with a stop; clamped: with a command that had to be bounded; lost_looks: looks
    whose frame was lost. score: mean of the environment's success proxy at the end of an episode,
    None where it defines none.
    """

    mean_success: float
    episodes: int
    interval_95: tuple[float, float]
    tasks: dict[str, TaskResult]
    latent_age_s_mean: float
    torch_imported_by_runtime: bool
    splits: dict[str, SplitResult] = {}
    steps_to_success: Quartiles | None = None
    latent_age_s: Spread | None = None
    motion: Motion | None = None
    stops_by_reason: dict[str, int] = {}
    stopped: float = 0.0
    clamped: float = 0.0
    lost_looks: int = 0
    score: float | None = None


def summarise(answers: Sequence[JobAnswer]) -> MethodResult:
    """The table of one method from the answers of its jobs."""
    by_task: dict[str, list[Episode]] = {}
    splits: dict[str, str] = {}
    for answer in answers:
        by_task.setdefault(answer.job.task, []).extend(answer.episodes)
        splits[answer.job.task] = answer.job.split
    every = [episode for episodes in by_task.values() for episode in episodes]
    successes = sum(episode.success for episode in every)
    ages = [age for episode in every for age in episode.latent_age_s]
    ticks = max(1, sum(episode.steps for episode in every))
    return MethodResult(
        mean_success=successes / max(1, len(every)),
        episodes=len(every),
        interval_95=wilson_interval(successes, len(every)),
        tasks={task: _task_result(by_task[task], splits[task]) for task in sorted(by_task)},
        latent_age_s_mean=sum(ages) / max(1, len(ages)),
        torch_imported_by_runtime=any(answer.torch_imported for answer in answers),
        splits={
            split: _split_result(e for task in by_task if splits[task] == split
                                 for e in by_task[task])
            for split in sorted({*splits.values()} - {""})
        },
        steps_to_success=quartiles([e.steps for e in every if e.success]),
        latent_age_s=spread(ages),
        motion=Motion(
            jerk=_median(e.jerk for e in every),
            jump=_median(e.jump for e in every),
            between=_median(e.between for e in every),
        ),
        stops_by_reason=_reasons(every),
        stopped=sum(e.stops for e in every) / ticks,
        clamped=sum(e.clamped for e in every) / ticks,
        lost_looks=sum(e.lost for e in every),
        score=_mean(e.score for e in every),
    )  # fmt: skip


def unknown_words(answers: Sequence[JobAnswer]) -> dict[str, list[str]]:
    """By task, the words of its instructions that training never met; met ones are left out."""
    found: dict[str, set[str]] = {}
    for answer in answers:
        for episode in answer.episodes:
            found.setdefault(answer.job.task, set()).update(episode.unknown)
    return {task: sorted(words) for task, words in sorted(found.items()) if words}


def _task_result(episodes: list[Episode], split: str) -> TaskResult:
    solved = [episode.steps for episode in episodes if episode.success]
    return TaskResult(
        successes=len(solved),
        episodes=len(episodes),
        interval_95=wilson_interval(len(solved), len(episodes)),
        mean_steps_to_success=sum(solved) / len(solved) if solved else None,
        stops=sum(episode.stops for episode in episodes),
        steps_to_success=quartiles(solved),
        split=split,
        score=_mean(e.score for e in episodes),
    )


def _split_result(episodes: Iterable[Episode]) -> SplitResult:
    solved = [episode.success for episode in episodes]
    interval = wilson_interval(sum(solved), len(solved))
    return SplitResult(successes=sum(solved), episodes=len(solved), interval_95=interval)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _reasons(episodes: Sequence[Episode]) -> dict[str, int]:
    """Ticks by the reason of their stop, the commonest first."""
    counts: dict[str, int] = {}
    for episode in episodes:
        for reason, count in episode.reasons.items():
            counts[reason] = counts.get(reason, 0) + count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
