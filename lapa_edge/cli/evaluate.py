"""``lapa-eval``: a bundle in, closed-loop success out, without torch; or its error on data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.cli.evaluated import Evaluated, read_evaluated, read_stage1
from lapa_edge.errors import ConfigError

if TYPE_CHECKING:
    from lapa_edge.evaluate.disturbance import Disturbance
    from lapa_edge.evaluate.environment import Entry
    from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob
    from lapa_edge.evaluate.latent_codec import LatentCodec

logger = logging.getLogger(__name__)

# Seeds of recorded clips stay below this; evaluation starts from it.
FIRST_SEED = 1_000_000
EPISODES_PER_JOB = 5


@dataclass(frozen=True)
class EvaluateFlags:
    """Drive simulated robots closed-loop from a bundle, through the robot's own runtime.

    A stage-3 run in place of the bundle is driven by torch. With --data, nothing is driven: what
    the policy would do is held against what was done in a labelled dataset.
    """

    bundle: Annotated[Path | None, tyro.conf.Positional] = None
    """The bundle's directory, or a stage-3 run's."""
    list: bool = False
    """Name the environments and their tasks, and stop."""
    environment: str = "metaworld"
    """Which simulator."""
    simulator: Path | None = None
    """Its checkout, where it is no installed package; see --list."""
    tasks: tuple[str, ...] = ()
    """Which tasks; all of the environment's where none is named."""
    unseen: tuple[str, ...] = ()
    """Which of them training never met; success is then told apart. held-out: those that the
    benchmark holds out, for a policy that was trained on its others."""
    episodes: int = 20
    """Rollouts per task."""
    seed: int = FIRST_SEED
    """Seed of each task's first rollout; the others count up."""
    latency_s: float = 0.05
    """Time from a frame to its latent, seconds, 0 to 60."""
    latency_jitter_s: float = 0.0
    """Each look takes the latency plus or minus up to this, drawn evenly, seconds."""
    camera_latency_s: float = 0.0
    """Frames are this much older than their stamps say, seconds."""
    frame_drop: float = 0.0
    """Share of looks whose frame is lost, 0 to 1."""
    image_noise: float = 0.0
    """Standard deviation of noise on every pixel value, 0 to 255."""
    state_noise: float = 0.0
    """The same on the state, as a share of each dimension's spread in training."""
    overlap: bool = False
    """Begin a look at every period although the last is not answered yet."""
    execution: Literal["two-rate", "blocking", "open-loop"] = "two-rate"
    """two-rate: the head acts at every tick; blocking: stand still, look, play a chunk;
    open-loop: chunks are replayed from their look's state."""
    execute_steps: int | None = None
    """Actions of a chunk that blocking plays; all unless given."""
    head: Literal["native", "onnx"] = "native"
    """What runs a bundle's action head."""
    backend: Literal["onnx", "tensorrt"] = "onnx"
    """What runs a bundle's policy."""
    device: Literal["cpu", "cuda"] | None = None
    """Where; unless given the CPU for onnx, the GPU for tensorrt."""
    graph: str = "policy"
    """Which of the bundle's policy graphs: a file's name without its end, such as policy.int8."""
    processes: int = 2
    """Rollouts at a time."""
    out: Path | None = None
    """Folder for the report, the plots, a video of each task's first rollout, and every answer: a
    stopped evaluation goes on there."""
    latents: Path | None = None
    """A stage-1 run: its decoded frames are drawn in the video; with --data, its codes are what
    the policy's are held against."""
    data: Path | None = None
    """Evaluate offline on this labelled dataset."""
    camera: str = ""
    """With --data: which camera of several, for a policy of one; the first, unless given."""
    fps: float | None = None
    """With --data: camera rate in Hz, where the dataset does not tell it."""
    split: Literal["train", "val", "all"] = "val"
    """With --data: which of its episodes; where it has no splits, say all."""
    labels: Path | None = None
    """With --data: what lapa-label wrote of it, in place of --latents."""
    every: int = 1
    """With --data: look at every so many frames."""


HELD_OUT = ("held-out",)
OFFLINE = ("camera", "fps", "split", "labels", "every")
CLOSED_LOOP = (
    "environment", "simulator", "tasks", "unseen", "episodes", "seed", "latency_jitter_s",
    "camera_latency_s", "frame_drop", "image_noise", "state_noise", "overlap", "execution",
    "execute_steps", "processes",
)  # fmt: skip


def main() -> int:
    """Entry point of ``lapa-eval``."""
    return run_command(evaluate, EvaluateFlags, "lapa-eval", EvaluateFlags.__doc__ or "")


def evaluate(flags: EvaluateFlags) -> None:
    """Run the rollouts, or the policy over the dataset, and report."""
    from rich.console import Console

    from lapa_edge.evaluate.table import list_environments

    if flags.list:
        Console().print(list_environments())
        return
    if flags.bundle is None:
        raise ConfigError("lapa-eval", "expected a bundle", "lapa-eval BUNDLE, or --list")
    _check_together(flags)
    for name in ("episodes", "processes", "every"):
        if getattr(flags, name) < 1:
            raise ConfigError(f"--{name}", f"expected at least 1, got {getattr(flags, name)}")
    if flags.seed < 0:
        raise ConfigError("--seed", f"expected 0 or more, got {flags.seed}")
    from lapa_edge.evaluate.disturbance import check_disturbance

    check_disturbance(_disturbance(flags), flags.latency_s)
    if flags.out:
        from lapa_edge.evaluate.latents.extra import import_extra

        for module in ("matplotlib", "PIL"):  # missed now rather than after minutes
            import_extra(module)
    if flags.data:
        from lapa_edge.cli.evaluate_offline import evaluate_offline

        evaluate_offline(flags, flags.bundle, flags.data)
    else:
        policy = read_evaluated(flags.bundle, flags.head, flags.backend, flags.device, flags.graph)
        _evaluate_closed_loop(flags, policy)


def _check_together(flags: EvaluateFlags) -> None:
    """Refuse a flag that the kind of evaluation asked for would pass over."""
    plain = EvaluateFlags()
    for name in CLOSED_LOOP if flags.data else OFFLINE:
        if getattr(flags, name) != getattr(plain, name):
            when = "in a simulator, not with --data" if flags.data else "with --data alone"
            raise ConfigError(f"--{name.replace('_', '-')}", f"counts {when}", "leave it out")
    if flags.overlap and flags.execution == "blocking":
        problem = "blocking execution waits for each look, so none can overlap"
        raise ConfigError("--overlap", problem, "leave one of the two out")
    if flags.latents and not flags.data and not flags.out:
        raise ConfigError("--latents", "is for the video, and there is no --out to write it to")


def _evaluate_closed_loop(flags: EvaluateFlags, policy: Evaluated) -> None:
    from rich.console import Console

    from lapa_edge.evaluate.claim import claim
    from lapa_edge.evaluate.evaluation import run_jobs, run_kept_jobs
    from lapa_edge.evaluate.execution import check_execution
    from lapa_edge.evaluate.registry import check_environment, find_entry
    from lapa_edge.evaluate.report import write_report
    from lapa_edge.evaluate.rollout import check_fits
    from lapa_edge.evaluate.summary import summarise, unknown_words
    from lapa_edge.evaluate.table import success_table
    from lapa_edge.progress import progress_bar

    entry = find_entry(flags.environment)
    tasks = flags.tasks or entry.tasks()
    unseen = () if flags.unseen == HELD_OUT else flags.unseen
    check_environment(flags.environment, (*tasks, *unseen), flags.simulator)
    if strange := [task for task in unseen if task not in tasks]:
        raise ConfigError("--unseen", f"{strange[0]} is not evaluated", "name it in --tasks too")
    check_fits(policy.spec, flags.environment, entry.robot)
    check_execution(flags.execution, policy.spec.action.chunk, flags.execute_steps)
    codec = read_stage1(flags.latents, policy.spec) if flags.latents else None
    jobs = _jobs(flags, policy, tasks, _splits(flags, entry))
    name = policy.path.name
    settings = {"policy": name, "sha256": policy.fingerprint, **_settings(flags)}
    if flags.out:
        claim(flags.out, settings)
    with progress_bar() as bar:
        task_id = bar.add_task("rollouts", total=flags.episodes * len(tasks))
        answers: list[JobAnswer] = []
        if flags.out:
            advance = partial(bar.advance, task_id)
            answers = run_kept_jobs(jobs, flags.processes, advance, policy.worker)
        else:
            for answer in run_jobs(list(jobs.values()), flags.processes, policy.worker):
                answers.append(answer)
                bar.advance(task_id, len(answer.episodes))
    for task, words in unknown_words(answers).items():
        logger.warning("task %s: the policy never met the words %s", task, ", ".join(words))
    result = summarise(answers)
    Console().print(success_table({name: result}))
    if flags.out:
        write_report(flags.out, name, result, answers, settings)
        _draw_grid(flags.out, name, answers, codec)


def _splits(flags: EvaluateFlags, entry: Entry) -> dict[str, str]:
    """By task, "seen" or "unseen", or "" where nobody says."""
    if flags.unseen == HELD_OUT:
        return {task: entry.split(task) for task in entry.tasks()}
    if not flags.unseen:
        return dict.fromkeys(entry.tasks(), "")
    return {task: "unseen" if task in flags.unseen else "seen" for task in entry.tasks()}


def _jobs(
    flags: EvaluateFlags, policy: Evaluated, tasks: tuple[str, ...], splits: dict[str, str]
) -> dict[Path, RolloutJob]:
    """The rollouts of every task by where each answer is kept."""
    from lapa_edge.evaluate.evaluation import RolloutJob

    seeds = range(flags.seed, flags.seed + flags.episodes)
    out = flags.out
    jobs = {}
    for task in tasks:
        for start in range(0, flags.episodes, EPISODES_PER_JOB):
            video = str(out / "rollouts" / f"{task}.mp4") if out and not start else ""
            path = (out or Path()) / "rollouts" / f"{task}-{seeds[start]}.json"
            jobs[path] = RolloutJob(
                bundle=policy.bundle,
                checkpoint=policy.checkpoint,
                environment=flags.environment,
                task=task,
                seeds=tuple(seeds[start : start + EPISODES_PER_JOB]),
                latency_s=flags.latency_s,
                head=flags.head,
                backend=flags.backend,
                device=flags.device,
                graph=flags.graph,
                video=video,
                disturbance=_disturbance(flags),
                execution=flags.execution,
                execute_steps=flags.execute_steps,
                split=splits[task],
                simulator=str(flags.simulator or ""),
            )
    return jobs


def _disturbance(flags: EvaluateFlags) -> Disturbance:
    from lapa_edge.evaluate.disturbance import Disturbance

    return Disturbance(
        latency_jitter_s=flags.latency_jitter_s,
        camera_latency_s=flags.camera_latency_s,
        frame_drop=flags.frame_drop,
        image_noise=flags.image_noise,
        state_noise=flags.state_noise,
        overlap=flags.overlap,
    )


def _settings(flags: EvaluateFlags) -> dict[str, object]:
    """What decides a rollout; tasks and episodes may be added to a finished evaluation."""
    import msgspec

    return {
        "environment": flags.environment,
        "seed": flags.seed,
        "latency_s": flags.latency_s,
        **msgspec.to_builtins(_disturbance(flags)),
        "execution": flags.execution,
        "execute_steps": flags.execute_steps or "",
        "head": flags.head,
        "policy runs on": f"{flags.backend} {flags.device or ''} {flags.graph}",
    }


def _draw_grid(out: Path, name: str, answers: list[JobAnswer], codec: LatentCodec | None) -> None:
    from lapa_edge.evaluate.video_grid import as_grid, read_tile, write_grid

    tiles = [read_tile(answer, name, codec) for answer in answers if answer.job.video]
    write_grid(as_grid(tiles), out / "rollouts.mp4", fps=10.0)
