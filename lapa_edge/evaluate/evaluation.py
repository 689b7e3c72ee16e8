"""Many seeded rollouts in worker processes, from a bundle, and the answers they give.

Workers import the runtime and the simulator, never torch; each says so in its answer. A stage-3
run is evaluated by the same function with a session of another make, which does need torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import load_bundle
from lapa_edge.data.files import replacing
from lapa_edge.data.video import write_video
from lapa_edge.evaluate.disturbance import Disturbance
from lapa_edge.evaluate.execution import ExecutionMode, build_execution
from lapa_edge.evaluate.registry import build_environment
from lapa_edge.evaluate.rollout import Episode, check_fits, run_episode
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.runtime.backends.names import Backend, Device, HeadBackend
from lapa_edge.runtime.session import Session


class RolloutJob(msgspec.Struct, frozen=True, kw_only=True):
    """Some episodes of one task, run one after another in one process.

    video: where to write what the policy saw in the first of them; empty for nowhere.
    disturbance: what goes wrong on the way. execution: how looks become motion; blocking plays
    `execute_steps` actions of a chunk, all where None. checkpoint: a stage-3 run, in place of
    the bundle, for a worker that knows torch. split: "seen" or "unseen" in training, or "".
    backend, device, graph: what runs the bundle's policy, see `Session`.
    simulator: checkout of the environment's simulator; empty where it needs none.
    """

    bundle: str
    environment: str
    task: str
    seeds: tuple[int, ...]
    latency_s: float
    head: HeadBackend = "native"
    backend: Backend = "onnx"
    device: Device | None = None
    graph: str = "policy"
    video: str = ""
    disturbance: Disturbance = Disturbance()
    execution: ExecutionMode = "two-rate"
    execute_steps: int | None = None
    checkpoint: str = ""
    split: str = ""
    simulator: str = ""


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker sends back."""

    job: RolloutJob
    instruction: str
    episodes: list[Episode]
    torch_imported: bool


OpenSession = Callable[[RolloutJob, str], Session]
Worker = Callable[[RolloutJob], JobAnswer]


def open_bundle(job: RolloutJob, instruction: str) -> Session:
    """The session of a job's bundle."""
    return Session(
        load_bundle(Path(job.bundle)),
        instruction,
        job.head,
        backend=job.backend,
        device=job.device,
        graph=job.graph,
    )


def run_job(job: RolloutJob, open_session: OpenSession = open_bundle) -> JobAnswer:
    """Run the episodes of one job in this process."""
    simulator = Path(job.simulator) if job.simulator else None
    environment = build_environment(job.environment, job.task, simulator)
    try:
        session = open_session(job, environment.instruction)
        check_fits(session.spec, environment.name, environment.robot)
        execution = build_execution(job.execution, session, job.execute_steps)
        seen: list[NDArray[np.uint8]] = []
        episodes = [
            run_episode(
                session,
                environment,
                seed,
                job.latency_s,
                (lambda frame, _: seen.append(frame.copy())) if job.video and not i else None,
                disturbance=job.disturbance,
                execution=execution,
            )
            for i, seed in enumerate(job.seeds)
        ]
    finally:
        environment.close()
    if seen:
        write_video(Path(job.video), seen, session.spec.timing.policy_hz)
    return JobAnswer(
        job=job,
        instruction=episodes[0].instruction if episodes else environment.instruction,
        episodes=episodes,
        torch_imported="torch" in sys.modules,
    )


def run_jobs(
    jobs: Sequence[RolloutJob], processes: int = 2, worker: Worker = run_job
) -> Iterator[JobAnswer]:
    """Answers in the order they come. The first error of a worker ends the rest."""
    return run_in_workers(worker, jobs, processes)


def run_kept_jobs(
    jobs: Mapping[Path, RolloutJob],
    processes: int,
    advance: Callable[[int], None],
    worker: Worker = run_job,
) -> list[JobAnswer]:
    """The answers of `jobs`, each kept at its path: a stopped evaluation loses one a process.

    Args:
        jobs: by where the answer is kept. An answer there to another job counts as missing.
        processes: at a time.
        advance: called with the number of episodes done, kept ones first.
        worker: runs one job; importable by name.
    """
    answers = {path: kept for path, job in jobs.items() if (kept := _read_kept(path, job))}
    advance(sum(len(answer.episodes) for answer in answers.values()))
    missing = {job: path for path, job in jobs.items() if path not in answers}
    for answer in run_jobs(list(missing), processes, worker):
        path = missing[answer.job]
        with replacing(path) as partial:
            partial.write_bytes(msgspec.json.encode(answer))
        answers[path] = answer
        advance(len(answer.episodes))
    return [answers[path] for path in jobs]


def _read_kept(path: Path, job: RolloutJob) -> JobAnswer | None:
    """A kept answer to this job, with its video; a damaged one counts as missing.

    Where things lie may have changed: the folder of the answers answers for one policy. So may what
    is called unseen.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=JobAnswer)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    whole = not job.video or Path(job.video).is_file()
    if not whole or _decisive(kept.job) != _decisive(job):
        return None
    return msgspec.structs.replace(kept, job=job)


def _decisive(job: RolloutJob) -> RolloutJob:
    return msgspec.structs.replace(job, bundle="", checkpoint="", video="", simulator="", split="")
