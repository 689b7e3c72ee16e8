"""Trained bundles to findings: driven closed loop, asked about unseen episodes, or both.

Every variant of a seed meets the same scenes, those of one seed no other's. Answers are kept one
by one, so a stopped comparison goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lapa_edge.compare.config import EvaluationConfig, OfflineConfig
from lapa_edge.compare.offline import OfflineAnswer, OfflineJob, ask_offline
from lapa_edge.compare.outcomes import SUCCESS, Cell, Condition, Finding
from lapa_edge.compare.results import write_finding
from lapa_edge.compare.trial import Trained, Trial
from lapa_edge.compare.unseen_codes import CodesJob, write_codes
from lapa_edge.data.dataset import ReadOptions
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, run_kept_jobs
from lapa_edge.evaluate.scenes import scene_seeds
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.progress import progress_bar
from lapa_edge.train.run_directory import read_json

EPISODES_PER_JOB = 5

Job = TypeVar("Job", OfflineJob, CodesJob)


def judge(trials: Sequence[Trial], processes: int) -> None:
    """Evaluate trained trials and write what each came to."""
    rollouts = _roll_out(trials, processes)
    asked = _ask(trials, processes)
    for trial in trials:
        trained = read_json(trial.folder / "trained.json", Trained)
        answers = rollouts.get(trial.folder, {})
        offline = asked.get(trial.folder, OfflineAnswer([], {}))
        driven = [_success(condition, found) for condition, found in answers.items()]
        write_finding(
            trial.out,
            Finding(
                variant=trial.variant.name,
                method=trial.variant.method,
                seed=trial.seed,
                parameters=trained.parameters,
                cpu_s=trained.cpu_s,
                cells=[*driven, *offline.cells],
                references=offline.references,
                torch_imported=any(a.torch_imported for found in answers.values() for a in found),
            ),
        )


def _roll_out(
    trials: Sequence[Trial], processes: int
) -> dict[Path, dict[Condition, list[JobAnswer]]]:
    """Every rollout of these trials, by trial and condition."""
    jobs: dict[Path, RolloutJob] = {}
    of: dict[Path, tuple[Path, Condition]] = {}
    for trial in trials:
        for path, job in rollout_jobs(trial).items():
            jobs[path] = job
            of[path] = trial.folder, Condition(job.execution, job.latency_s)
    if not jobs:
        return {}
    total = sum(len(job.seeds) for job in jobs.values())
    with progress_bar() as bar:
        task = bar.add_task(f"rollouts, seed {trials[0].seed}", total=total)
        answers = run_kept_jobs(jobs, processes, lambda done: bar.advance(task, done))
    found: dict[Path, dict[Condition, list[JobAnswer]]] = {}
    for path, answer in zip(jobs, answers, strict=True):
        folder, condition = of[path]
        found.setdefault(folder, {}).setdefault(condition, []).append(answer)
    return found


def _ask(trials: Sequence[Trial], processes: int) -> dict[Path, OfflineAnswer]:
    """What every trial does on the unseen episodes, by trial; none without them."""
    asked = {
        trial.folder: _offline_job(trial, trial.config.offline)
        for trial in trials
        if trial.config.offline
    }
    codes = {
        job.codes: CodesJob(job.codes.with_name("latents"), job.data, job.reading, job.codes)
        for job in asked.values()
        if job.codes
    }
    _fill(write_codes, codes, f"codes, seed {trials[0].seed}", processes)
    answers = {job.answer: job for job in asked.values()}
    _fill(ask_offline, answers, f"offline, seed {trials[0].seed}", processes)
    return {folder: read_json(job.answer, OfflineAnswer) for folder, job in asked.items()}


def _fill(
    work: Callable[[Job], Path], jobs: Mapping[Path, Job], title: str, processes: int
) -> None:
    """Do the jobs whose files are not there yet."""
    missing = [job for path, job in jobs.items() if not path.is_file()]
    if missing:
        with progress_bar() as bar:
            task = bar.add_task(title, total=len(jobs))
            bar.advance(task, len(jobs) - len(missing))
            for _ in run_in_workers(work, missing, processes):
                bar.advance(task)


def _offline_job(trial: Trial, offline: OfflineConfig) -> OfflineJob:
    data, reading = offline.data, ReadOptions(split=offline.split)
    if trial.config.data and not data:
        data = trial.config.data.video
        reading = replace(reading, camera=trial.config.data.camera, fps=trial.config.data.fps)
    return OfflineJob(
        bundle=trial.bundle,
        data=Path(data),
        reading=reading,
        latency_s=offline.latency_s,
        every=offline.every,
        codes=trial.latents.with_name("unseen_codes.json") if trial.latents else None,
        answer=trial.folder / "offline.json",
    )


def rollout_jobs(trial: Trial) -> dict[Path, RolloutJob]:
    """Every rollout of a trial, by the file that keeps the answer."""
    if trial.config.evaluation is None:
        return {}
    return {
        trial.folder / "rollouts" / condition.key / name: job
        for condition in trial.variant.conditions
        for name, job in _jobs(trial.config.evaluation, trial, condition).items()
    }


def _jobs(
    evaluation: EvaluationConfig, trial: Trial, condition: Condition
) -> dict[str, RolloutJob]:
    """By the answer's name."""
    jobs = {}
    for i, task in enumerate(evaluation.tasks):
        seeds = scene_seeds("rollouts", i, trial.seed, evaluation.episodes)
        for start in range(0, len(seeds), EPISODES_PER_JOB):
            jobs[f"{task}-{start:03d}.json"] = RolloutJob(
                bundle=str(trial.bundle.resolve()),
                environment=evaluation.environment,
                task=task,
                seeds=tuple(seeds[start : start + EPISODES_PER_JOB]),
                latency_s=condition.latency_s,
                execution=condition.execution,
                simulator=evaluation.simulator,
            )
    return jobs


def _success(condition: Condition, answers: Sequence[JobAnswer]) -> Cell:
    outcomes: dict[str, list[float]] = {}
    for answer in answers:
        outcomes.setdefault(answer.job.task, []).extend(float(e.success) for e in answer.episodes)
    return Cell(
        metric=SUCCESS,
        execution=condition.execution,
        latency_s=condition.latency_s,
        outcomes=outcomes,
    )
