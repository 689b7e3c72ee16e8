"""Many small stage-1 trainings compared: variants x seeds in, a table, a plot and a JSON out.

Every variant gets the same processor time. Steps are timed first, all variants in turn in one
process, so that what else the machine does falls on all alike; each then trains as many steps as
its share buys, on one thread. Runs go side by side, and a sweep that was stopped goes on where it
was, run by run. Made for CPUs: what a GPU does is no processor time.

    out/config.json              what all its trainings share
    out/steps.json               what the timing gave
    out/VARIANT/SEED/            the run (see `run_directory`), and study.json
    out/sweep.json, .md, .png    the comparison
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import torch

from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import DataError
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.evaluate.latents.features import CODES, FIRST_FRAME, LATENTS
from lapa_edge.evaluate.latents.study import StudySettings, gather, study
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.progress import progress_bar
from lapa_edge.train.codec import TrainedCodec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.inverse_dynamics import train_inverse_dynamics
from lapa_edge.train.latents import (
    LabelledPairs,
    LatentModel,
    LatentsConfig,
    labelled_pairs,
    train_latents,
)
from lapa_edge.train.one_core import one_core, quiet
from lapa_edge.train.run_directory import RunDirectory, read_json, write_text

log = logging.getLogger(__name__)

TIMED_STEPS, TIMED_ROUNDS = 6, 2


@dataclass(frozen=True)
class Variant:
    """One way to train stage 1."""

    name: str
    config: LatentsConfig
    says: str
    """What is different, for the table."""
    labelled_share: float = 0.0
    """Share of the episodes whose actions it may see."""
    supervised: bool = False
    """Inverse dynamics: no video loss, actions alone."""


@dataclass(frozen=True)
class SweepConfig:
    """Which data, and how much of everything."""

    data: Path
    """A dataset with actions and the splits train and val."""
    reading: ReadOptions
    """How to read it; the split and the share of labels are the sweep's."""
    out: Path
    """Where runs and comparison go."""
    seeds: tuple[int, ...]
    """One training per variant and seed."""
    seconds: float
    """Processor time per training, seconds of one core."""
    pairs: int
    """Held-out pairs that each is judged on."""
    cache: Path
    """Where decoded frames are kept."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one training came to; R2 of the motion between the frames, on unseen clips."""

    variant: str
    seed: int
    steps: int
    cpu_s: float  # of the last sitting
    r2_latents: float
    r2_codes: float
    r2_latents_mlp: float
    r2_first_frame: float
    gain: float
    drop: float
    active: int
    k: int
    perplexity: float
    sequences: int


@dataclass(frozen=True)
class _Job:
    sweep: SweepConfig
    variant: Variant
    seed: int
    steps: int


def sweep(config: SweepConfig, variants: tuple[Variant, ...], processes: int) -> list[Finding]:
    """Train and judge every variant with every seed; finished ones are taken as they are.

    Returns:
        What is known of these variants in ``config.out``, seeds of earlier sweeps included.

    Args:
        config: see `SweepConfig`.
        variants: their names are unique.
        processes: trainings at a time, one thread each.
    """
    _check(config)
    for variant in variants:  # decoded once, before the workers ask for it
        _material(config, variant)
    steps = _steps(config, variants)
    jobs = [_Job(config, v, seed, steps[v.name]) for seed in config.seeds for v in variants]
    waiting = [job for job in jobs if not _answer_path(job).is_file()]
    with progress_bar() as bar:
        task = bar.add_task("sweep", total=len(jobs), completed=len(jobs) - len(waiting))
        for _ in run_in_workers(_train_and_judge, waiting, processes):
            bar.advance(task)
    return _findings(config, variants)


def _findings(config: SweepConfig, variants: Iterable[Variant]) -> list[Finding]:
    found = []
    for variant in variants:
        paths = (config.out / variant.name).glob("*/study.json")
        found += [read_json(path, Finding) for path in sorted(paths, key=_seed_of)]
    return found


def _seed_of(path: Path) -> int:
    return int(path.parent.name)


def _check(config: SweepConfig) -> None:
    """Refuse before the first training what would only fail after it."""
    for module in ("sklearn", "matplotlib", "threadpoolctl"):
        import_extra(module)
    if torch.cuda.is_available():
        log.warning("a sweep compares processor time; with a GPU its budgets are not comparable")
    unseen = read_dataset(config.data, replace(config.reading, split="val"))
    if not unseen.labelled.episodes:
        raise DataError(
            f"dataset {config.data}", "its val split has no actions to judge by", "take another"
        )
    shared = {"data": str(config.data), "seconds": config.seconds, "pairs": config.pairs}
    RunDirectory(config.out).open({**shared, "reading": str(config.reading)})


def _steps(config: SweepConfig, variants: Iterable[Variant]) -> dict[str, int]:
    """Steps that the processor time buys, by variant; timed once and kept."""
    path = config.out / "steps.json"
    known = read_json(path, dict[str, int]) if path.is_file() else {}
    missing = [v for v in variants if v.name not in known]
    if missing:
        torch.set_num_threads(1)
        best = dict.fromkeys((v.name for v in missing), float("inf"))
        with progress_bar() as bar:
            for _ in bar.track(range(TIMED_ROUNDS), description="time a step of each"):
                for variant in missing:
                    seconds = _step_seconds(config, variant)
                    best[variant.name] = min(best[variant.name], seconds)
        known |= {name: max(10, int(config.seconds / one)) for name, one in best.items()}
        config.out.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(known, indent=1))
    return known


def _step_seconds(config: SweepConfig, variant: Variant) -> float:
    """Processor seconds of one step: the median of a few after the first."""
    with TemporaryDirectory() as folder:
        run = _Stopwatch(Path(folder))
        loop = replace(variant.config.loop, log_every=1)
        timed = replace(variant, config=replace(variant.config, loop=loop))
        with quiet():
            _train(config, timed, 0, 2 + TIMED_STEPS, run)
    return float(np.median(np.diff(run.marks)[1:]))


class _Stopwatch(RunDirectory):
    """A run that notes the processor time of every step."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.marks: list[float] = []

    def log(self, record: dict[str, float]) -> None:
        self.marks.append(time.process_time())


def _train_and_judge(job: _Job) -> str:
    import_extra("threadpoolctl").threadpool_limits(1)  # of numpy and scikit-learn
    run = RunDirectory(_answer_path(job).parent)
    with one_core():
        started = time.process_time()
        config, model = _train(job.sweep, job.variant, job.seed, job.steps, run)
        cpu_s = time.process_time() - started
        finding = _judge(job, TrainedCodec(config, model), cpu_s)
    write_text(_answer_path(job), msgspec.json.encode(finding).decode())
    return job.variant.name


def _train(
    sweep: SweepConfig, variant: Variant, seed: int, steps: int, run: RunDirectory
) -> tuple[LatentsConfig, LatentModel]:
    video, store, labelled = _material(sweep, variant)
    config = variant.config
    loop = replace(config.loop, steps=steps, seed=seed, checkpoint_every_s=60.0)
    config = replace(config, loop=loop, held_out=0.0)
    if labelled:
        action_dim = labelled.pairs.action_dim
        config = replace(config, model=replace(config.model, action_dim=action_dim))
    if variant.supervised:
        assert labelled
        return config, train_inverse_dynamics(config, labelled, run)
    return config, train_latents(config, store, video.fps, run, labelled)


def _material(
    sweep: SweepConfig, variant: Variant
) -> tuple[Dataset, FrameStore, LabelledPairs | None]:
    config, share = variant.config, variant.labelled_share
    video = read_dataset(sweep.data, replace(sweep.reading, split="train", labelled_share=share))
    store = open_frames(video, config.frame, sweep.cache)
    labelled = labelled_pairs(video.labelled, store, config.gap_s) if share else None
    return video, store, labelled


def _judge(job: _Job, codec: TrainedCodec, cpu_s: float) -> Finding:
    """The model on the val split; the probes of `lapa-inspect`."""
    unseen = read_dataset(job.sweep.data, replace(job.sweep.reading, split="val"))
    store = open_frames(unseen, codec.frame, job.sweep.cache)
    # One seed for all: every training is judged on the same pairs and splits.
    settings = StudySettings(pairs=job.sweep.pairs, splits=2, transfers=1)
    found = study(gather(codec, unseen, store, settings), settings)
    if found.probe is None:
        raise DataError(f"dataset {job.sweep.data}", f"no probe: {found.missing.get('probe')}")
    scores = {(s.features, s.probe): round(s.r2.value, 4) for s in found.probe.scores}
    return Finding(
        variant=job.variant.name,
        seed=job.seed,
        steps=job.steps,
        cpu_s=round(cpu_s, 1),
        r2_latents=scores[LATENTS, "linear"],
        r2_codes=scores[CODES, "linear"],
        r2_latents_mlp=scores[LATENTS, "mlp"],
        r2_first_frame=scores[FIRST_FRAME, "linear"],
        gain=round(found.fidelity.gain.value, 4),
        drop=round(found.fidelity.drop.value, 4),
        active=found.usage.overall.active,
        k=codec.latent.k,
        perplexity=round(found.usage.overall.perplexity, 3),
        sequences=found.usage.overall.sequences,
    )


def _answer_path(job: _Job) -> Path:
    return job.sweep.out / job.variant.name / str(job.seed) / "study.json"
