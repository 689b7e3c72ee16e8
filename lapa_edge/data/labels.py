"""Codes on disk: what ``lapa-label`` writes and stage 2 reads.

    labels/labels.json        n, k, d, the gap, and which model wrote them
    labels/part-00000.parquet clip, frame, code [n], latent [n * d], distance

A part is written in one rename and covers whole clips, so a killed run goes on at the next part
and leaves neither holes nor duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lapa_edge.errors import DataError
from lapa_edge.spec import LatentSpec


class LabelInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``labels.json``: the latent space, the model that wrote the codes, and the clips in order."""

    latent: LatentSpec
    model_sha256: str
    clips: tuple[str, ...]
    clips_per_part: int


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


def write_part(root: Path, part: int, labels: Labels) -> None:
    """Write one part in one rename."""
    table = pa.table(
        {
            "clip": pa.array(labels.clip.tolist(), pa.string()),
            "frame": pa.array(labels.frame, pa.int32()),
            "code": pa.array(list(labels.codes), pa.list_(pa.int32())),
            "latent": pa.array(
                list(labels.latents.reshape(len(labels.frame), -1)), pa.list_(pa.float32())
            ),
            "distance": pa.array(labels.distance, pa.float32()),
        }
    )
    path = part_path(root, part)
    staging = path.with_suffix(".new")
    pq.write_table(table, staging)
    staging.replace(path)


def read_label_info(root: Path) -> LabelInfo:
    """``labels.json`` of a label directory."""
    path = root / "labels.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=LabelInfo)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(
            f"labels {root}", f"no readable labels.json ({error})", "run lapa-label"
        ) from error


def read_labels(root: Path) -> Labels:
    """Every part of a label directory.

    Raises:
        DataError: parts are missing, since labelling was not finished.
    """
    info = read_label_info(root)
    parts = -(-len(info.clips) // info.clips_per_part)
    missing = [i for i in range(parts) if not part_path(root, i).is_file()]
    if missing:
        raise DataError(
            f"labels {root}", f"{len(missing)} of {parts} parts are missing", "run lapa-label again"
        )
    table = pa.concat_tables([_read_part(part_path(root, i)) for i in range(parts)])
    n, d = info.latent.n, info.latent.d
    return Labels(
        latent=info.latent,
        clip=np.array(table["clip"].to_pylist()),
        frame=table["frame"].to_numpy().astype(np.int32),
        codes=_matrix(table["code"], np.int32).reshape(-1, n),
        latents=_matrix(table["latent"], np.float32).reshape(-1, n, d),
        distance=table["distance"].to_numpy().astype(np.float32),
    )


def _read_part(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except pa.ArrowInvalid as error:
        fix = "delete it and run lapa-label again"
        raise DataError(f"labels {path}", f"is damaged ({error})", fix) from error


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
