"""Labelling on Ray: the parts of a job over the cores of this machine, or over many machines.

    missing parts -> Ray Dataset -> one actor per worker -> parts of labels

Each actor loads the codec once, maps the frame store and writes whole parts itself, just as a
single process does. Other machines must see the run, the frame cache and the labels under the
same paths.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import LabelInfo
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import DataError, LapaError
from lapa_edge.train.codec import TrainedCodec, read_codec
from lapa_edge.train.label import LabelJob, write_missing
from lapa_edge.train.ray_cluster import last_line, ray_cluster
from lapa_edge.train.run_directory import RunDirectory

SHARE = "choose a --run, --cache and --out that all machines share"

Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class SharedJob:
    """A `LabelJob` that a worker can be sent: by paths, without a frame in it."""

    run: Path
    info: LabelInfo
    frames: Path
    shape: tuple[int, ...]
    spans: dict[str, tuple[int, int]]
    pairs: FramePairs
    root: Path

    def open(self) -> LabelJob:
        """Map the frames.

        Raises:
            DataError: this machine does not see them.
        """
        try:
            frames = np.memmap(self.frames, np.uint8, mode="r", shape=self.shape)
        except OSError as error:
            raise DataError(
                f"frames {self.frames}",
                f"a worker cannot read them ({error.strerror})",
                SHARE,
            ) from error
        return LabelJob(self.info, FrameStore(frames, self.spans), self.pairs, self.root)


class PartWriter:
    """A Ray actor: codec and frames once, then part after part."""

    def __init__(self, shared: SharedJob) -> None:
        self._shared = shared

    def __call__(self, rows: Rows) -> Rows:
        """Write the parts ``rows["part"]``.

        Returns:
            The parts, and as ``error`` what went wrong, in JSON: an exception Ray would repeat.
        """
        try:
            for part in rows["part"].tolist():
                self._job.write(self._codec, part)
        except LapaError as error:
            return {**rows, "error": np.array([json.dumps(error.args)] * len(rows["part"]))}
        return {**rows, "error": np.array([""] * len(rows["part"]))}

    @cached_property
    def _codec(self) -> TrainedCodec:
        run = RunDirectory(self._shared.run)
        if run.fingerprint() != self._shared.info.model_sha256:
            raise DataError(f"run {run.root}", "a worker sees other weights", SHARE)
        return read_codec(run)

    @cached_property
    def _job(self) -> LabelJob:
        return self._shared.open()


def label_on_ray(job: LabelJob, run: RunDirectory, workers: int, address: str = "") -> None:
    """As `label_video`, by several processes; the labels are the same.

    Args:
        job: what to label; its store is one that lies on disk.
        run: the stage-1 run, whose codec each worker loads.
        workers: how many; each takes one core, and its share of the GPUs where there are any.
        address: of a running Ray cluster; empty starts one on this machine, and ends it.

    Raises:
        ConfigError: no such cluster, or it is too small.
        MissingDependencyError: Ray is not installed.
        LapaError: what `label_video` raises, or a worker died.
    """
    frames = job.store.all
    assert isinstance(frames, np.memmap) and frames.filename is not None
    shared = SharedJob(
        run=run.root.resolve(),
        info=job.info,
        frames=Path(frames.filename),
        shape=frames.shape,
        spans=job.store.spans,
        pairs=job.pairs,
        root=job.root.resolve(),
    )

    def write(missing: list[int]) -> Generator[int, None, None]:
        with ray_cluster(workers, address) as ray:
            yield from _write_on(ray, shared, missing, workers)

    write_missing(job, write)


def _write_on(ray: Any, shared: SharedJob, missing: list[int], workers: int) -> Iterator[int]:
    """Have the parts written; each comes back as soon as it is."""
    parts = ray.data.from_items(
        [{"part": part} for part in missing], override_num_blocks=len(missing)
    )
    written = parts.map_batches(
        PartWriter,
        fn_constructor_args=(shared,),
        batch_size=1,
        num_cpus=1,
        num_gpus=min(1.0, ray.cluster_resources().get("GPU", 0) / workers),
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(missing))),
    )
    try:
        for batch in written.iter_batches(batch_size=1, prefetch_batches=0):
            for part, error in zip(batch["part"].tolist(), batch["error"].tolist(), strict=True):
                if error:
                    raise DataError(*json.loads(error))
                yield part
    except ray.exceptions.RayTaskError:
        raise  # a bug of ours, with the worker's traceback
    except ray.exceptions.RayError as error:
        raise LapaError(
            "Ray worker",
            f"ended without an answer ({last_line(error)})",
            "run the same command again, with fewer --workers if memory is short",
        ) from error
