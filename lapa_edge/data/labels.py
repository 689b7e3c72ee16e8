"""Codes on disk: what ``lapa-label`` writes and stage 2 reads.

    labels/labels.json        n, k, d, the gap, which model wrote them, and of which video
    labels/part-00000.parquet clip, frame, code [n], latent [n * d], distance

A part covers whole clips, appears in one rename and bears the mark of its ``labels.json``: a killed
run goes on with the parts that are missing, and no part of another run is ever taken for its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lapa_edge.data.files import held_alone, replacing
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import LatentSpec

INFO_NAME = "labels.json"
MARK = b"lapa_edge.labels"


class LabelInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``labels.json``: the latent space, the model that wrote the codes, and the clips in order.

    ``video_sha256`` tells the same clips of another camera, or at another rate, apart.
    """

    latent: LatentSpec
    model_sha256: str
    clips: tuple[str, ...]
    clips_per_part: int
    video_sha256: str

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-len(self.clips) // self.clips_per_part)

    def mark(self) -> bytes:
        """What every part of these labels bears."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest().encode()

    def differences(self, other: LabelInfo) -> str:
        """In words, what sets two apart; empty where nothing does."""
        words = {
            "model_sha256": "by another model",
            "latent": "in another latent space or at another gap",
            "clips": "for other clips",
            "clips_per_part": "with another number of clips per part",
            "video_sha256": "for other frames of these clips",
        }
        found = [key for key in words if getattr(self, key) != getattr(other, key)]
        # Another gap or other clips pair other frames; that explains itself.
        return ", ".join(words[key] for key in found if key != "video_sha256" or len(found) == 1)


@dataclass(frozen=True)
class Labels:
    """Codes of every labelled frame, in the order they were written.

    clip ``str [m]``; frame ``int32 [m]``, index within the clip; codes ``int32 [m, n]``;
    latents ``f32 [m, n, d]`` before quantization; distance ``f32 [m]``, mean L2 to the codes.
    """

    latent: LatentSpec
    clip: NDArray[np.str_]
    frame: NDArray[np.int32]
    codes: NDArray[np.int32]
    latents: NDArray[np.float32]
    distance: NDArray[np.float32]


def part_path(root: Path, part: int) -> Path:
    """Where part number `part` lies."""
    return root / f"part-{part:05d}.parquet"


def write_part(root: Path, part: int, labels: Labels, info: LabelInfo) -> None:
    """Write one part in one rename.

    Raises:
        DataError: the disk is full, or does not take it for another reason.
    """
    m, n, d = labels.latents.shape
    table = pa.table(
        {
            "clip": pa.array(labels.clip.tolist(), pa.string()),
            "frame": pa.array(labels.frame, pa.int32()),
            "code": pa.array(list(labels.codes), pa.list_(pa.int32())),
            "latent": pa.array(list(labels.latents.reshape(m, n * d)), pa.list_(pa.float32())),
            "distance": pa.array(labels.distance, pa.float32()),
        }
    ).replace_schema_metadata({MARK: info.mark()})
    path = part_path(root, part)
    try:
        with replacing(path) as partial:
            pq.write_table(table, partial, write_page_checksum=True)
    except OSError as error:
        problem = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(
            f"labels {path}",
            f"writing failed ({problem})",
            "mend that and run again: finished parts are kept",
        ) from error


@contextmanager
def open_labels(root: Path, info: LabelInfo) -> Iterator[list[int]]:
    """Start a label directory, or go on with one; yields the parts that are missing.

    The directory is held alone for the while. What a killed writer left half-written is removed.

    Raises:
        ConfigError: the labels here are of another model, gap or video, or another process is
            writing them.
        DataError: a file here is damaged.
    """
    if root.exists() and not root.is_dir():
        raise ConfigError(f"labels {root}", "expected a folder, it is a file")
    root.mkdir(parents=True, exist_ok=True)
    with held_alone(root, f"labels {root}"):
        for leftover in root.glob(".*.part.*"):
            leftover.unlink()
        if (root / INFO_NAME).is_file():
            if differences := read_label_info(root).differences(info):
                raise ConfigError(
                    f"labels {root}", f"were written {differences}", "choose another --out"
                )
        else:
            with replacing(root / INFO_NAME) as partial:
                partial.write_bytes(msgspec.json.encode(info))
        yield [part for part in range(info.parts) if not _is_written(root, part, info)]


def read_label_info(root: Path) -> LabelInfo:
    """``labels.json`` of a label directory.

    Raises:
        DataError: it is missing or damaged.
    """
    path = root / INFO_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=LabelInfo)
    except OSError as error:
        problem = f"no readable {INFO_NAME} ({error.strerror})"
        raise DataError(f"labels {root}", problem, "run lapa-label") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        fix = "remove the folder and run lapa-label, or choose another"
        raise DataError(f"labels {root}", f"{INFO_NAME} is damaged ({error})", fix) from error


def read_labels(root: Path) -> Labels:
    """Every part of a label directory.

    Raises:
        DataError: parts are missing, since labelling was not finished, or damaged.
    """
    info = read_label_info(root)
    missing = [i for i in range(info.parts) if not part_path(root, i).is_file()]
    if missing:
        problem = f"{len(missing)} of {info.parts} parts are missing"
        raise DataError(f"labels {root}", problem, "run lapa-label again")
    table = pa.concat_tables([_read_part(part_path(root, i), info) for i in range(info.parts)])
    n, d = info.latent.n, info.latent.d
    return Labels(
        latent=info.latent,
        clip=np.array(table["clip"].to_pylist(), dtype=np.str_),
        frame=table["frame"].to_numpy().astype(np.int32),
        codes=_matrix(table["code"], np.int32).reshape(-1, n),
        latents=_matrix(table["latent"], np.float32).reshape(-1, n, d),
        distance=table["distance"].to_numpy().astype(np.float32),
    )


def _read_part(path: Path, info: LabelInfo) -> pa.Table:
    try:
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    _check_mark(path, table.schema, info)
    return table


def _is_written(root: Path, part: int, info: LabelInfo) -> bool:
    """Whether a part is there; only its end is read, which a cut file lacks."""
    path = part_path(root, part)
    if not path.exists():
        return False
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    _check_mark(path, schema, info)
    return True


def _check_mark(path: Path, schema: pa.Schema, info: LabelInfo) -> None:
    if (schema.metadata or {}).get(MARK) != info.mark():
        fix = "delete it and run lapa-label again"
        raise DataError(f"labels {path}", f"is no part of the labels in {path.parent}", fix)


def _damaged(path: Path, error: Exception) -> DataError:
    fix = "delete it and run lapa-label again"
    return DataError(f"labels {path}", f"is damaged ({error})", fix)


def _matrix(column: pa.ChunkedArray, dtype: type) -> NDArray[Any]:
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(dtype)


@dataclass(frozen=True)
class CodeUsage:
    """How a labelled dataset uses its codebook."""

    frames: int
    k: int
    active: int
    perplexity: float
    sequences: int
    share: tuple[float, ...]


def describe_usage(labels: Labels) -> CodeUsage:
    """Active codes, perplexity in [1, k], and the number of different code sequences."""
    return count_codes(labels.codes, labels.latent.k)


def count_codes(codes: NDArray[np.int32], k: int) -> CodeUsage:
    """The same of codes ``[m, n]`` out of `k` that lie in memory."""
    share = np.bincount(codes.ravel(), minlength=k) / max(1, codes.size)
    entropy = -float(sum(p * np.log(p) for p in share if p > 0))
    return CodeUsage(
        frames=len(codes),
        k=k,
        active=int((share > 0).sum()),
        perplexity=float(np.exp(entropy)),
        sequences=len(np.unique(codes, axis=0)),
        share=tuple(float(p) for p in share),
    )
