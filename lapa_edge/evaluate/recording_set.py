"""Many recorded clips to a dataset on disk, in worker processes, resumable clip by clip.

folder/TASK_SEED.mp4        a clip; complete where it is there
folder/TASK_SEED.steps      its instruction, and what the robot felt and did (JSON)
folder/robot.json           and steps.parquet, where the steps are kept for the reader
folder/instructions.csv     written last: the folder is complete
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders.videos import write_instructions, write_labels
from lapa_edge.errors import DataError
from lapa_edge.evaluate.recording import record_clip
from lapa_edge.evaluate.registry import build_environment
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.progress import progress_bar

CLIPS_PER_JOB = 10


@dataclass(frozen=True)
class ClipSet:
    """One folder of clips.

    Attributes:
        folder: where they go.
        environment: which simulator.
        seeds: scenes by task.
        camera_hz: frames per second; divides the control rate.
        noise: of the push on the expert in every other clip; see `recording.record_episode`.
        labelled: whether readers of the folder see the steps.
        simulator: checkout of the environment's simulator, where it needs one.
    """

    folder: Path
    environment: str
    seeds: dict[str, range]
    camera_hz: float
    noise: float
    labelled: bool
    simulator: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether every clip is there."""
        return (self.folder / "instructions.csv").is_file()


class _Sidecar(msgspec.Struct):
    """What is known of a clip besides its pixels."""

    instruction: str
    robot: RobotSpec
    time_s: list[float]
    state: list[list[float]]
    action: list[list[float]]


@dataclass(frozen=True)
class _ClipJob:
    """Some clips of one task, recorded one after another in one process."""

    folder: Path
    environment: str
    task: str
    seeds: tuple[int, ...]
    camera_hz: float
    noise: float
    simulator: Path | None

    def clip(self, seed: int) -> Path:
        return self.folder / f"{self.task}_{seed:06d}.mp4"


def record_sets(sets: Sequence[ClipSet], processes: int) -> None:
    """Record what is not there yet.

    Raises:
        DataError: an expert failed again and again, or the disk refuses.
        ConfigError: an unknown environment or task.
    """
    missing = [one for one in sets if not one.finished]
    jobs = [job for one in missing for job in _jobs(one)]
    if not jobs:
        return
    with progress_bar() as bar:
        task = bar.add_task("record clips", total=sum(len(job.seeds) for job in jobs))
        for count in run_in_workers(_record_job, jobs, processes):
            bar.advance(task, count)
    for one in missing:
        _finish(one)


def _jobs(one: ClipSet) -> Iterator[_ClipJob]:
    one.folder.mkdir(parents=True, exist_ok=True)
    for task, seeds in one.seeds.items():
        for some, noise in ((seeds[::2], 0.0), (seeds[1::2], one.noise)):
            for i in range(0, len(some), CLIPS_PER_JOB):
                part = tuple(some[i : i + CLIPS_PER_JOB])
                yield _ClipJob(
                    one.folder, one.environment, task, part, one.camera_hz, noise, one.simulator
                )


def _record_job(job: _ClipJob) -> int:
    """Record the job's clips that are not there yet; returns how many it stands for."""
    wanted = [seed for seed in job.seeds if not job.clip(seed).is_file()]
    if not wanted:
        return len(job.seeds)
    environment = build_environment(job.environment, job.task, job.simulator)
    try:
        for seed in wanted:
            path = job.clip(seed)
            staged = path.with_name(f".{path.stem}.{os.getpid()}.mp4")
            steps = record_clip(environment, seed, job.camera_hz, job.noise, staged)
            sidecar = _Sidecar(
                environment.instruction,
                environment.robot,
                steps.time_s.tolist(),
                steps.state.tolist(),
                steps.action.tolist(),
            )
            path.with_suffix(".steps").write_bytes(msgspec.json.encode(sidecar))
            staged.rename(path)  # last: a clip that is there is complete
    finally:
        environment.close()
    return len(job.seeds)


def _finish(one: ClipSet) -> None:
    """Sweep up after killed processes, and make the folder a dataset."""
    for left_over in one.folder.glob(".*.mp4"):
        left_over.unlink()
    known = {path.stem: _read(path.with_suffix(".steps")) for path in _clips(one.folder)}
    if one.labelled:
        robot = next(iter(known.values())).robot
        steps = {
            name: Steps(
                np.array(clip.time_s), np.array(clip.state), np.array(clip.action), source=name
            )
            for name, clip in known.items()
        }
        write_labels(one.folder, robot, steps)
    write_instructions(one.folder, {name: clip.instruction for name, clip in known.items()})


def _clips(folder: Path) -> list[Path]:
    """The finished clips; what a killed run left begins with a dot."""
    return [path for path in sorted(folder.glob("*.mp4")) if not path.name.startswith(".")]


def _read(path: Path) -> _Sidecar:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Sidecar)
    except (OSError, msgspec.MsgspecError) as error:
        fix = f"delete {path.with_suffix('.mp4').name} and run the same command again"
        raise DataError(f"recording {path}", f"cannot be read ({error})", fix) from error
