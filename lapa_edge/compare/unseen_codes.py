"""What a seed's stage 1 reads in the unseen episodes, for the accuracy of its policies' codes.

A stage-1 run and a dataset in, one file of codes out; torch is imported where it is made, and not
where it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.files import replacing
from lapa_edge.evaluate.offline import KnownCodes
from lapa_edge.train.run_directory import read_json

Written = dict[str, tuple[list[int], list[list[int]]]]


@dataclass(frozen=True)
class CodesJob:
    """One stage-1 run, one dataset, and where the codes are kept."""

    latents: Path
    data: Path
    reading: ReadOptions
    answer: Path


def write_codes(job: CodesJob) -> Path:
    """Encode every labelled episode and keep the codes; returns where.

    Raises:
        LapaError: the dataset or the run cannot be read.
    """
    from lapa_edge.evaluate.known_codes import codes_of_codec
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.one_core import one_core
    from lapa_edge.train.run_directory import RunDirectory

    with one_core():
        codec = read_codec(RunDirectory(job.latents))
        found = codes_of_codec(codec, read_dataset(job.data, job.reading))
    written = {name: (frame.tolist(), codes.tolist()) for name, (frame, codes) in found.items()}
    with replacing(job.answer) as partial:
        partial.write_bytes(msgspec.json.encode(written))
    return job.answer


def read_codes(path: Path) -> KnownCodes:
    """Frame indices ``[m]`` and codes ``[m, n]`` by episode."""
    written = read_json(path, Written)
    return {name: (np.array(frame), np.array(codes)) for name, (frame, codes) in written.items()}
