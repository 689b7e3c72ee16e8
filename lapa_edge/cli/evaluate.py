"""``lapa-eval``: a bundle in, closed-loop success out, without torch; or its error on data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command

if TYPE_CHECKING:
    from lapa_edge.evaluate.disturbance import Disturbance
    from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob
    from lapa_edge.evaluate.latent_codec import LatentCodec
    from lapa_edge.runtime.session import Session
    from lapa_edge.spec import PolicySpec

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
    tasks: tuple[str, ...] = ()
    """Which tasks; all of the environment's where none is named."""
    unseen: tuple[str, ...] = ()
    """Which of them training never met; success is then told apart."""
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
    split: Literal["train", "val", "all"] = "val"
    """Which of its episodes; where it has no splits, say all."""
    labels: Path | None = None
    """With --data: what lapa-label wrote of it, in place of --latents."""
    every: int = 1
    """With --data: look at every so many frames."""


def main() -> int:
    """Entry point of ``lapa-eval``."""
    return run_command(evaluate, EvaluateFlags, "lapa-eval", EvaluateFlags.__doc__ or "")


def evaluate(flags: EvaluateFlags) -> None:
    """Run the rollouts, or the policy over the dataset, and report."""
    from rich.console import Console

    from lapa_edge.errors import ConfigError
    from lapa_edge.evaluate.table import list_environments

    if flags.list:
        Console().print(list_environments())
        return
    if flags.bundle is None:
        raise ConfigError("lapa-eval", "expected a bundle", "lapa-eval BUNDLE, or --list")
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
        _evaluate_offline(flags, flags.bundle, flags.data)
    else:
        _evaluate_closed_loop(flags, flags.bundle)


def _evaluate_closed_loop(flags: EvaluateFlags, policy: Path) -> None:
    from rich.console import Console

    from lapa_edge.errors import ConfigError
    from lapa_edge.evaluate.claim import claim
    from lapa_edge.evaluate.evaluation import check_tasks, run_jobs, run_kept_jobs
    from lapa_edge.evaluate.registry import ENVIRONMENTS
    from lapa_edge.evaluate.report import write_report
    from lapa_edge.evaluate.summary import summarise, unknown_words
    from lapa_edge.evaluate.table import success_table
    from lapa_edge.progress import progress_bar

    if flags.labels:
        raise ConfigError("--labels", "are read with --data alone", "leave them away")
    fingerprint, spec, worker = _worker(policy)
    codec = _codec(flags.latents, spec)
    check_tasks(flags.environment, (*flags.tasks, *flags.unseen))
    tasks = flags.tasks or ENVIRONMENTS[flags.environment].tasks()
    if strange := [task for task in flags.unseen if task not in tasks]:
        raise ConfigError("--unseen", f"{strange[0]} is not evaluated", "name it in --tasks too")
    jobs = _jobs(flags, policy, tasks)
    settings = {"policy": policy.name, "sha256": fingerprint, **_settings(flags)}
    if flags.out:
        claim(flags.out, settings)
    with progress_bar() as bar:
        task_id = bar.add_task("rollouts", total=flags.episodes * len(tasks))
        answers: list[JobAnswer] = []
        if flags.out:
            advance = lambda done: bar.advance(task_id, done)  # noqa: E731
            answers = run_kept_jobs(jobs, flags.processes, advance, worker)
        else:
            for answer in run_jobs(list(jobs.values()), flags.processes, worker):
                answers.append(answer)
                bar.advance(task_id, len(answer.episodes))
    for task, words in unknown_words(answers).items():
        logger.warning("task %s: the policy never met the words %s", task, ", ".join(words))
    result = summarise(answers)
    Console().print(success_table({policy.name: result}))
    if flags.out:
        write_report(flags.out, policy.name, result, answers, settings)
        _draw_grid(flags.out, policy.name, answers, codec)


def _evaluate_offline(flags: EvaluateFlags, policy: Path, data: Path) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from lapa_edge.data.dataset import ReadOptions, read_dataset
    from lapa_edge.data.labels import read_labels
    from lapa_edge.evaluate.claim import claim
    from lapa_edge.evaluate.known_codes import codes_of_codec, codes_of_labels
    from lapa_edge.evaluate.offline import evaluate_offline
    from lapa_edge.evaluate.report import describe_offline, write_offline_report
    from lapa_edge.progress import progress_bar

    fingerprint, spec, _ = _worker(policy)
    codec = _codec(flags.latents, spec)
    dataset = read_dataset(data, ReadOptions(split=flags.split))
    settings = {
        "policy": policy.name, "sha256": fingerprint, "data": data.name, "split": flags.split,
        "latency_s": flags.latency_s, "every": flags.every,
    }  # fmt: skip
    if flags.out:
        claim(flags.out, settings)
    codes = codes_of_labels(read_labels(flags.labels), dataset) if flags.labels else None
    count = len(dataset.labelled.episodes)
    with progress_bar() as bar:
        if codec is not None and codes is None:
            reading = bar.add_task("stage-1 codes", total=count)
            codes = codes_of_codec(codec, dataset, lambda done: bar.advance(reading, done))
        judging = bar.add_task("episodes", total=count)
        result = evaluate_offline(
            lambda instruction: _session(flags, policy, instruction),
            dataset,
            latency_s=flags.latency_s,
            every=flags.every,
            codes=codes,
            tick=lambda done: bar.advance(judging, done),
        )
    if unknown := sorted({word for episode in result.each for word in episode.unknown}):
        logger.warning("the policy never met the words %s", ", ".join(unknown))
    Console().print(Markdown(describe_offline(policy.name, result, settings)))
    if flags.out:
        write_offline_report(flags.out, policy.name, result, settings)


def _is_run(policy: Path) -> bool:
    """Whether this is a stage-3 run rather than a bundle."""
    return (policy / "config.json").is_file() and not (policy / "manifest.json").is_file()


def _worker(policy: Path) -> tuple[str, PolicySpec, Callable[[RolloutJob], JobAnswer]]:
    """What the policy's bytes are, what it reads and writes, and what runs a job with it."""
    from lapa_edge.artifact import load_bundle
    from lapa_edge.evaluate.evaluation import run_job

    if not _is_run(policy):
        from hashlib import sha256

        bundle = load_bundle(policy)
        manifest = (bundle.root / "manifest.json").read_bytes()
        return sha256(manifest).hexdigest(), bundle.spec, run_job
    from lapa_edge.train.actions import read_agent
    from lapa_edge.train.checkpoint_session import run_checkpoint_job
    from lapa_edge.train.run_directory import RunDirectory

    run = RunDirectory(policy)
    config, _ = read_agent(run)
    return run.fingerprint(), config.spec, run_checkpoint_job


def _session(flags: EvaluateFlags, policy: Path, instruction: str) -> Session:
    from lapa_edge.evaluate.evaluation import RolloutJob, open_bundle

    run = _is_run(policy)
    job = RolloutJob(
        bundle="" if run else str(policy),
        checkpoint=str(policy) if run else "",
        environment="",
        task="",
        seeds=(),
        latency_s=flags.latency_s,
        head=flags.head,
    )
    if not job.checkpoint:
        return open_bundle(job, instruction)
    from lapa_edge.train.checkpoint_session import open_checkpoint

    return open_checkpoint(job, instruction)


def _codec(latents: Path | None, spec: PolicySpec) -> LatentCodec | None:
    if latents is None:
        return None
    from lapa_edge.errors import ConfigError
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.run_directory import RunDirectory

    codec = read_codec(RunDirectory(latents))
    own, other = spec.latent, codec.latent
    if own is None or (own.n, own.k) != (other.n, other.k):
        wanted = f"{own.n} codes out of {own.k}" if own else "no codes"
        raise ConfigError(
            f"--latents {latents}",
            f"the policy says {wanted}, the model has {other.n} out of {other.k}",
            "give the stage-1 run that the policy was trained with",
        )
    return codec


def _jobs(flags: EvaluateFlags, policy: Path, tasks: tuple[str, ...]) -> dict[Path, RolloutJob]:
    """The rollouts of every task by where each answer is kept."""
    from lapa_edge.evaluate.evaluation import RolloutJob

    seeds = range(flags.seed, flags.seed + flags.episodes)
    out, run = flags.out, _is_run(policy)
    jobs = {}
    for task in tasks:
        for start in range(0, flags.episodes, EPISODES_PER_JOB):
            video = str(out / "rollouts" / f"{task}.mp4") if out and not start else ""
            path = (out or Path()) / "rollouts" / f"{task}-{seeds[start]}.json"
            jobs[path] = RolloutJob(
                bundle="" if run else str(policy),
                checkpoint=str(policy) if run else "",
                environment=flags.environment,
                task=task,
                seeds=tuple(seeds[start : start + EPISODES_PER_JOB]),
                latency_s=flags.latency_s,
                head=flags.head,
                video=video,
                disturbance=_disturbance(flags),
                execution=flags.execution,
                execute_steps=flags.execute_steps,
                split=("unseen" if task in flags.unseen else "seen") if flags.unseen else "",
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
    }


def _draw_grid(out: Path, name: str, answers: list[JobAnswer], codec: LatentCodec | None) -> None:
    from lapa_edge.evaluate.video_grid import as_grid, read_tile, write_grid

    tiles = [read_tile(answer, name, codec) for answer in answers if answer.job.video]
    write_grid(as_grid(tiles), out / "rollouts.mp4", fps=10.0)
