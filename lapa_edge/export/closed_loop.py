"""The last word on an export: does the bundle succeed as often as the network that was trained?

PyTorch and the bundle drive the same tasks from the same seeds, through the robot's own session;
only the networks are another's. Every answer is kept as it comes, below a folder of its side and of
the files it ran, so that a stopped comparison goes on and a changed file is driven anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, Worker, run_job, run_kept_jobs
from lapa_edge.evaluate.registry import check_environment, find_entry
from lapa_edge.evaluate.rollout import check_fits
from lapa_edge.evaluate.statistics import difference_interval, wilson_interval
from lapa_edge.export.drive_config import DriveConfig
from lapa_edge.export.parity import ClosedLoop, Drive, ParityReport
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.head import build_head
from lapa_edge.runtime.policy import Policy
from lapa_edge.runtime.session import Session
from lapa_edge.train.checkpoint_session import run_checkpoint_job
from lapa_edge.train.run_directory import RunDirectory

EPISODES_PER_JOB = 5
PYTORCH, DEFAULT_GRAPH = "PyTorch", "policy.onnx"


def check_drive(config: DriveConfig, bundle: Bundle) -> tuple[str, ...]:
    """The tasks to drive; refuses what cannot be driven, before any work.

    Raises:
        ConfigError: no such environment or task, another robot, or nothing to do.
        MissingDependencyError: its simulator is not installed.
    """
    for name in ("episodes", "processes"):
        if getattr(config, name) < 1:
            raise ConfigError(f"--{name}", f"expected at least 1, got {getattr(config, name)}")
    entry = find_entry(config.environment)
    tasks = config.tasks or entry.tasks()[:1]
    check_environment(config.environment, tasks, config.simulator)
    check_fits(bundle.spec, config.environment, entry.robot)
    return tasks


def drive(
    run: Path,
    bundle: Bundle,
    config: DriveConfig,
    kept: Path,
    advance: Callable[[int], None],
    graphs: Sequence[str] = (DEFAULT_GRAPH,),
) -> ClosedLoop:
    """Success of the run's checkpoint and of the bundle with each of `graphs` as its policy.

    Args:
        run: the stage-3 run that was exported.
        bundle: verified; what became of it.
        config: what is driven.
        kept: folder of the answers; a second call goes on from it.
        advance: called with the number of episodes done, kept ones first.
        graphs: policy graphs of the bundle, by file name.
    """
    tasks = check_drive(config, bundle)
    fingerprint = RunDirectory(run).fingerprint()
    sides = {PYTORCH: (_folder(kept, PYTORCH, fingerprint), run_checkpoint_job)} | {
        graph: (_folder(kept, graph, _compared_hash(bundle, graph)), _graph_worker(graph))
        for graph in graphs
    }
    answers = {}
    for side, (folder, worker) in sides.items():
        jobs = _jobs(config, tasks, folder, run if side == PYTORCH else None, bundle.root)
        answers[side] = run_kept_jobs(jobs, config.processes, advance, worker)
    return judge(config, tasks, answers)


def judge(
    config: DriveConfig, tasks: Sequence[str], answers: dict[str, list[JobAnswer]]
) -> ClosedLoop:
    """Rates and intervals; a graph fails whose success is surely less than PyTorch's.

    The interval of the difference is Newcombe's for independent rates. Matched seeds go alike more
    often than not, which makes it wider than need be, never narrower.
    """
    outcomes = {side: _outcomes(each) for side, each in answers.items()}
    pytorch = outcomes.pop(PYTORCH)
    episodes, wins = len(pytorch), sum(pytorch.values())
    graphs, failures = {}, []
    for graph, found in outcomes.items():
        won = sum(found.values())
        low, high = difference_interval(won, episodes, wins, episodes)
        graphs[graph] = Drive(
            successes=won,
            interval=wilson_interval(won, episodes),
            only_here=sum(found[x] and not pytorch[x] for x in pytorch),
            only_pytorch=sum(pytorch[x] and not found[x] for x in pytorch),
            difference=(won - wins) / episodes,
            difference_interval=(low, high),
        )
        if high < 0:
            failures.append(
                f"closed loop: {graph} succeeds in {won} of {episodes} episodes, PyTorch in {wins} "
                f"(difference {low:.0%} to {high:.0%}), expected an interval that reaches 0"
            )
    return ClosedLoop(
        environment=config.environment,
        tasks=list(tasks),
        seeds=sorted({seed for _, seed in pytorch}),
        episodes=episodes,
        pytorch=wins,
        pytorch_interval=wilson_interval(wins, episodes),
        graphs=graphs,
        failures=failures,
    )


def with_closed_loop(report: ParityReport, driven: ClosedLoop) -> ParityReport:
    """The report with what was driven; its failures forbid the bundle as any other."""
    failures = report.failures + driven.failures
    return msgspec.structs.replace(report, closed_loop=driven, failures=failures)


def policy_graphs(report: ParityReport) -> list[str]:
    """The policy graphs that ONNX Runtime ran as on a robot: what there is to drive."""
    fit = (name for name, graph in report.graphs.items() if not graph.slow)
    others = (name for name in fit if name.startswith("policy."))
    return [DEFAULT_GRAPH, *(name for name in others if name.endswith(".onnx"))]


def episodes_to_drive(config: DriveConfig, bundle: Bundle, graphs: Sequence[str]) -> int:
    """How many episodes `drive` runs in all: the total of its progress."""
    return config.episodes * len(check_drive(config, bundle)) * (1 + len(graphs))


def open_graph_session(job: RolloutJob, instruction: str, graph: str) -> Session:
    """The session of a job's bundle with `graph` as its policy, marked good or not yet."""
    from lapa_edge.artifact import load_bundle
    from lapa_edge.export.verification import unmarked

    bundle = unmarked(load_bundle(Path(job.bundle)))
    policy = Policy(bundle, instruction, graph=OnnxGraph(bundle.path(graph)))
    return Session.of(bundle.spec, policy, build_head(bundle, job.head))


def run_graph_job(job: RolloutJob, graph: str) -> JobAnswer:
    """`run_job` with one of the bundle's policy graphs: what a worker process is given."""
    return run_job(job, partial(open_graph_session, graph=graph))


def _graph_worker(graph: str) -> Worker:
    return partial(run_graph_job, graph=graph)


def _jobs(
    config: DriveConfig, tasks: Sequence[str], folder: Path, run: Path | None, bundle: Path
) -> dict[Path, RolloutJob]:
    seeds = range(config.seed, config.seed + config.episodes)
    return {
        folder / f"{task}-{seeds[start]}.json": RolloutJob(
            bundle="" if run else str(bundle),
            checkpoint=str(run or ""),
            environment=config.environment,
            task=task,
            seeds=tuple(seeds[start : start + EPISODES_PER_JOB]),
            latency_s=config.latency_s,
            simulator=str(config.simulator or ""),
        )
        for task in tasks
        for start in range(0, config.episodes, EPISODES_PER_JOB)
    }


def _folder(kept: Path, side: str, fingerprint: str) -> Path:
    return kept / f"{side}-{fingerprint[:12]}"


def _compared_hash(bundle: Bundle, graph: str) -> str:
    """Of every file that drives with `graph`."""
    files = bundle.manifest.files
    names = (graph, "text_encoder.onnx", "tokenizer.json", "weights.safetensors")
    return sha256("".join(files[name].sha256 for name in names).encode()).hexdigest()


def _outcomes(answers: Sequence[JobAnswer]) -> dict[tuple[str, int], bool]:
    """Success by task and seed."""
    return {
        (answer.job.task, episode.seed): episode.success
        for answer in answers
        for episode in answer.episodes
    }
