"""``lapa-eval``: a bundle in, closed-loop success out, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command

# Seeds of recorded clips stay below this; evaluation starts from it.
FIRST_SEED = 1_000_000


@dataclass(frozen=True)
class EvaluateFlags:
    """Drive simulated robots closed-loop from a bundle, through the robot's own runtime."""

    bundle: Annotated[Path | None, tyro.conf.Positional] = None
    """The bundle's directory."""
    list: bool = False
    """Name the environments and their tasks, and stop."""
    environment: str = "metaworld"
    """Which simulator."""
    tasks: tuple[str, ...] = ()
    """Which tasks; all of the environment's where none is named."""
    episodes: int = 20
    """Rollouts per task."""
    seed: int = FIRST_SEED
    """Seed of each task's first rollout; the others count up."""
    latency_s: float = 0.05
    """Simulated time from a frame to its latent, seconds."""
    head: Literal["native", "onnx"] = "native"
    """What runs the action head."""
    processes: int = 2
    """Rollouts at a time."""
    out: Path | None = None
    """JSON file for the result."""
    video: Path | None = None
    """Folder for a video of each task's first rollout."""


def main() -> int:
    """Entry point of ``lapa-eval``."""
    return run_command(evaluate, EvaluateFlags, "lapa-eval", EvaluateFlags.__doc__ or "")


def evaluate(flags: EvaluateFlags) -> None:
    """Run the rollouts, print the table, write the JSON."""
    import msgspec
    from rich.console import Console

    from lapa_edge.artifact import load_bundle
    from lapa_edge.errors import ConfigError
    from lapa_edge.evaluate.evaluation import RolloutJob, check_tasks, run_jobs
    from lapa_edge.evaluate.registry import ENVIRONMENTS
    from lapa_edge.evaluate.summary import summarise
    from lapa_edge.evaluate.table import list_environments, success_table
    from lapa_edge.progress import progress_bar

    console = Console()
    if flags.list:
        console.print(list_environments())
        return
    if flags.bundle is None:
        raise ConfigError("lapa-eval", "expected a bundle", "lapa-eval BUNDLE, or --list")
    for name in ("episodes", "processes"):
        if getattr(flags, name) < 1:
            raise ConfigError(f"--{name}", f"expected at least 1, got {getattr(flags, name)}")
    if flags.seed < 0 or not 0 <= flags.latency_s < 60:
        raise ConfigError(
            "--seed and --latency-s",
            f"expected 0 or more, and 0 to 60 s, got {flags.seed} and {flags.latency_s}",
        )
    load_bundle(flags.bundle)
    check_tasks(flags.environment, flags.tasks)
    tasks = flags.tasks or ENVIRONMENTS[flags.environment].tasks()
    if flags.video:
        flags.video.mkdir(parents=True, exist_ok=True)
    seeds = range(flags.seed, flags.seed + flags.episodes)
    jobs = [
        RolloutJob(
            bundle=str(flags.bundle),
            environment=flags.environment,
            task=task,
            seeds=tuple(seeds[start : start + 5]),
            latency_s=flags.latency_s,
            head=flags.head,
            video=str(flags.video / f"{task}.mp4") if flags.video and not start else "",
        )
        for task in tasks
        for start in range(0, flags.episodes, 5)
    ]
    answers = []
    with progress_bar() as bar:
        task_id = bar.add_task("rollouts", total=flags.episodes * len(tasks))
        for answer in run_jobs(jobs, flags.processes):
            answers.append(answer)
            bar.advance(task_id, len(answer.episodes))
    result = summarise(answers)
    console.print(success_table({flags.bundle.name: result}))
    if flags.out:
        flags.out.parent.mkdir(parents=True, exist_ok=True)
        flags.out.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
