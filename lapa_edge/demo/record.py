"""The demo's data: videos without actions in one folder, a handful of labelled demos in another.

video/*.mp4 instructions.csv                            stages 1 and 2 read nothing else
demos/*.mp4 instructions.csv steps.parquet robot.json   stage 3
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from lapa_edge.data.episode import Steps
from lapa_edge.data.folders.videos import write_instructions, write_labels
from lapa_edge.demo.plan import CAMERA_HZ, FIRST_DEMO_SEED, VIDEO_NOISE, Plan
from lapa_edge.evaluate.environments.metaworld import INSTRUCTIONS, ROBOT, MetaWorld
from lapa_edge.evaluate.recording import record_clip
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.progress import progress_bar

CLIPS_PER_JOB = 10


@dataclass(frozen=True)
class ClipJob:
    """Some clips of one task, recorded one after another in one process."""

    task: str
    folder: Path
    seeds: tuple[int, ...]
    noise: float
    keep_steps: bool


def record(plan: Plan, seed: int, video: Path, demos: Path, processes: int) -> None:
    """Record what is not there yet; finished folders carry their ``instructions.csv``."""
    jobs = []
    if not (video / "instructions.csv").is_file():
        for task in plan.tasks:
            first = plan.first_seed(task, seed)
            seeds = range(first, first + plan.videos_per_task)
            jobs += _jobs(task, video, seeds[::2], 0.0, keep_steps=False)
            jobs += _jobs(task, video, seeds[1::2], VIDEO_NOISE, keep_steps=False)
    if not (demos / "instructions.csv").is_file():
        for task in plan.tasks:
            first = FIRST_DEMO_SEED + plan.first_seed(task, seed)
            seeds = range(first, first + plan.demos_per_task)
            jobs += _jobs(task, demos, seeds, 0.0, keep_steps=True)
    if not jobs:
        return
    with progress_bar() as bar:
        task_id = bar.add_task("record clips", total=sum(len(job.seeds) for job in jobs))
        for count in run_in_workers(_record_job, jobs, processes):
            bar.advance(task_id, count)
    for left_over in (*video.glob(".*.mp4"), *demos.glob(".*.mp4")):
        left_over.unlink()
    write_instructions(video, _texts(video))
    steps = {path.stem: _read_steps(path) for path in sorted(demos.glob("*.steps"))}
    write_labels(demos, ROBOT, steps)
    write_instructions(demos, _texts(demos))


def _jobs(
    task: str, folder: Path, seeds: Sequence[int], noise: float, keep_steps: bool
) -> list[ClipJob]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        ClipJob(task, folder, tuple(seeds[i : i + CLIPS_PER_JOB]), noise, keep_steps)
        for i in range(0, len(seeds), CLIPS_PER_JOB)
    ]


def _record_job(job: ClipJob) -> int:
    """Record the job's clips that are not there yet; returns how many it stands for."""
    wanted = [seed for seed in job.seeds if not _clip(job, seed).is_file()]
    if not wanted:
        return len(job.seeds)
    environment = MetaWorld(job.task)
    try:
        for seed in wanted:
            path = _clip(job, seed)
            staged = path.with_name(f".{path.stem}.{os.getpid()}.mp4")
            steps = record_clip(environment, seed, CAMERA_HZ, job.noise, staged)
            if job.keep_steps:
                path.with_suffix(".steps").write_bytes(_encode_steps(steps))
            staged.rename(path)  # last: a clip that is there is complete
    finally:
        environment.close()
    return len(job.seeds)


def _clip(job: ClipJob, seed: int) -> Path:
    return job.folder / f"{job.task}_{seed:06d}.mp4"


def _texts(folder: Path) -> dict[str, str]:
    """Instructions of the folder's finished clips; what a killed run left begins with a dot."""
    clips = [p.stem for p in sorted(folder.glob("*.mp4")) if not p.name.startswith(".")]
    return {clip: INSTRUCTIONS[clip.rsplit("_", 1)[0]] for clip in clips}


def _encode_steps(steps: Steps) -> bytes:
    columns = (steps.time_s, steps.state, steps.action)
    return msgspec.json.encode([column.tolist() for column in columns])


def _read_steps(path: Path) -> Steps:
    time_s, state, action = map(np.array, msgspec.json.decode(path.read_bytes()))
    return Steps(time_s, state, action, source=str(path))
