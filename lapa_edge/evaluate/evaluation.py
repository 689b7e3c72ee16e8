"""Many seeded rollouts of one bundle in worker processes, and the table they make.

Workers import the runtime and the simulator, never torch; each says so in its answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import load_bundle
from lapa_edge.data.video import write_video
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.registry import build_environment, find_entry
from lapa_edge.evaluate.rollout import Episode, check_fits, run_episode
from lapa_edge.evaluate.statistics import wilson_interval
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.runtime.head import HeadBackend
from lapa_edge.runtime.session import Session


class RolloutJob(msgspec.Struct, frozen=True, kw_only=True):
    """Some episodes of one task, run one after another in one process.

    `video`: where to write what the policy saw in the first of them; empty for nowhere.
    """

    bundle: str
    environment: str
    task: str
    seeds: tuple[int, ...]
    latency_s: float
    head: HeadBackend = "native"
    video: str = ""


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """Success on one task."""

    successes: int
    episodes: int
    interval_95: tuple[float, float]
    mean_steps_to_success: float | None
    stops: int


class MethodResult(msgspec.Struct, frozen=True, kw_only=True):
    """Success of one bundle over tasks; `mean_success` weighs each episode alike."""

    mean_success: float
    episodes: int
    interval_95: tuple[float, float]
    tasks: dict[str, TaskResult]
    latent_age_s_mean: float
    torch_imported_by_runtime: bool


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker sends back."""

    job: RolloutJob
    instruction: str
    episodes: list[Episode]
    torch_imported: bool


def run_jobs(jobs: Sequence[RolloutJob], processes: int = 2) -> Iterator[JobAnswer]:
    """Answers in the order they come. The first error of a worker ends the rest."""
    return run_in_workers(run_job, jobs, processes)


def check_tasks(environment: str, tasks: Sequence[str]) -> None:
    """Raise `ConfigError` for an environment or a task that does not exist, before any work."""
    known = find_entry(environment).tasks()
    for task in tasks:
        if task not in known:
            raise ConfigError(
                f"task {task!r}", f"not a task of {environment}", f"one of: {', '.join(known)}"
            )


def run_job(job: RolloutJob) -> JobAnswer:
    """Run the episodes of one job in this process."""
    bundle = load_bundle(Path(job.bundle))
    environment = build_environment(job.environment, job.task)
    try:
        check_fits(bundle.spec, environment)
        session = Session(bundle, environment.instruction, job.head)
        seen: list[NDArray[np.uint8]] = []
        episodes = [
            run_episode(
                session,
                environment,
                seed,
                job.latency_s,
                (lambda frame, _: seen.append(frame.copy())) if job.video and not i else None,
            )
            for i, seed in enumerate(job.seeds)
        ]
    finally:
        environment.close()
    if seen:
        write_video(Path(job.video), seen, bundle.spec.timing.policy_hz)
    return JobAnswer(
        job=job,
        instruction=environment.instruction,
        episodes=episodes,
        torch_imported="torch" in sys.modules,
    )


def summarise(answers: Sequence[JobAnswer]) -> MethodResult:
    """The table of one method from the answers of its jobs."""
    by_task: dict[str, list[Episode]] = {}
    for answer in answers:
        by_task.setdefault(answer.job.task, []).extend(answer.episodes)
    every = [episode for episodes in by_task.values() for episode in episodes]
    successes = sum(episode.success for episode in every)
    ages = [age for episode in every for age in episode.latent_age_s]
    return MethodResult(
        mean_success=successes / max(1, len(every)),
        episodes=len(every),
        interval_95=wilson_interval(successes, len(every)),
        tasks={task: _task_result(by_task[task]) for task in sorted(by_task)},
        latent_age_s_mean=sum(ages) / max(1, len(ages)),
        torch_imported_by_runtime=any(answer.torch_imported for answer in answers),
    )


def _task_result(episodes: list[Episode]) -> TaskResult:
    solved = [episode.steps for episode in episodes if episode.success]
    return TaskResult(
        successes=len(solved),
        episodes=len(episodes),
        interval_95=wilson_interval(len(solved), len(episodes)),
        mean_steps_to_success=sum(solved) / len(solved) if solved else None,
        stops=sum(episode.stops for episode in episodes),
    )
