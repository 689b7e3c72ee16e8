"""The closed-loop part of the demo: every job's answer is kept, so a stopped run goes on."""

from __future__ import annotations

from pathlib import Path

from lapa_edge.demo.plan import ENVIRONMENT, POLICY_LATENCY_S, Plan
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, run_kept_jobs
from lapa_edge.progress import progress_bar


def roll_out(
    plan: Plan, seed: int, method: str, bundle: Path, folder: Path, processes: int
) -> list[JobAnswer]:
    """Every rollout of one method, from its bundle; answers and videos are kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = _jobs(plan, seed, method, bundle, folder)
    with progress_bar() as bar:
        task_id = bar.add_task(
            f"rollouts ({method})", total=plan.rollouts_per_task * len(plan.tasks)
        )
        return run_kept_jobs(jobs, processes, lambda done: bar.advance(task_id, done))


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
