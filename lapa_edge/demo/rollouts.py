"""The closed-loop part of the demo: every job's answer is kept, so a stopped run goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lapa_edge.demo.plan import ENVIRONMENT, POLICY_LATENCY_S, Plan
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, run_jobs
from lapa_edge.progress import progress_bar
from lapa_edge.train.run_directory import write_text


def roll_out(
    plan: Plan, seed: int, method: str, bundle: Path, folder: Path, processes: int
) -> list[JobAnswer]:
    """Every rollout of one method, from its bundle; answers and videos are kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = _jobs(plan, seed, method, bundle, folder)
    missing = [job for path, job in jobs.items() if _read(path) is None]
    paths = {job: path for path, job in jobs.items()}
    with progress_bar() as bar:
        task_id = bar.add_task(
            f"rollouts ({method})", total=plan.rollouts_per_task * len(plan.tasks)
        )
        bar.advance(task_id, sum(len(j.seeds) for j in jobs.values() if j not in missing))
        for answer in run_jobs(missing, processes):
            write_text(paths[answer.job], msgspec.json.encode(answer).decode())
            bar.advance(task_id, len(answer.episodes))
    return [kept for path in jobs if (kept := _read(path))]


def _read(path: Path) -> JobAnswer | None:
    """A kept answer; a damaged one counts as missing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=JobAnswer)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def video_path(folder: Path, method: str, task: str) -> Path:
    """Where the video of a task's first rollout lies."""
    return folder / f"{method}-{task}.mp4"


def _jobs(plan: Plan, seed: int, method: str, bundle: Path, folder: Path) -> dict[Path, RolloutJob]:
    jobs = {}
    scenes = plan.scenes("rollouts", seed)
    for start in range(0, plan.rollouts_per_task, plan.rollouts_per_job):
        for task, seeds in scenes.items():
            jobs[folder / f"{method}-{task}-{start:03d}.json"] = RolloutJob(
                bundle=str(bundle),
                environment=ENVIRONMENT,
                task=task,
                seeds=tuple(seeds[start : start + plan.rollouts_per_job]),
                latency_s=POLICY_LATENCY_S,
                video="" if start else str(video_path(folder, method, task)),
            )
    return jobs
