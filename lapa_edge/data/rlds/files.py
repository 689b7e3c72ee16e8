"""The files of an RLDS dataset as TFDS lays them out: which shards there are, of which split.

    root/                                      or root/1.0.0/, TFDS's folder of one version
      NAME-SPLIT.tfrecord-00000-of-00010       episodes, one a record
      dataset_info.json                        optional: the name, and how many records a shard has
      features.json                            optional: read by `features`

A split is told by the shards' names. A shard whose name tells none counts as ``train``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lapa_edge.errors import ConfigError, DataError

SPLITS = ("train", "val", "all")
VALIDATION = ("val", "validation", "test")  # the first that is there is the split `val`
SHARD = re.compile(r"\.tfrecords?(?=$|-\d+-of-\d+$)")
NUMBER = re.compile(r"-(\d+)-of-(\d+)$")
VERSION = re.compile(r"\d+\.\d+\.\d+")

# Frames per second by the start of a dataset's name: RLDS does not store it.
KNOWN_FPS = {
    "bridge": 5.0,
    "droid": 15.0,
    "fractal20220817_data": 3.0,
    "language_table": 10.0,
    "rt1": 3.0,
}


class Split(msgspec.Struct, frozen=True, rename="camel"):
    """A split as ``dataset_info.json`` describes it."""

    name: str
    shard_lengths: tuple[int, ...] = ()


class Info(msgspec.Struct, frozen=True):
    """What is used of ``dataset_info.json``."""

    name: str = ""
    splits: tuple[Split, ...] = ()


@dataclass(frozen=True)
class Shard:
    """One file of episodes.

    Attributes:
        label: short and unlike any other shard's: ``bridge_dataset-train-00000``.
        split: "" where its name tells none.
        dataset: the name before the split, "" where there is none.
        number: which of ``of`` shards it is, counted from 0; 0 of 0 where its name does not tell.
        records: how many ``dataset_info.json`` promises, None where it does not.
    """

    path: Path
    label: str
    split: str
    dataset: str
    number: int
    of: int
    records: int | None


def find_folder(root: Path) -> Path | None:
    """The folder that holds the shards: ``root``, or its one folder of a version; None if neither.

    Raises:
        DataError: several versions lie there.
    """
    if not root.is_dir():
        return None
    if _shard_paths(root):
        return root
    versions = [
        path
        for path in sorted(root.glob("*.*.*"))
        if VERSION.fullmatch(path.name) and path.is_dir() and _shard_paths(path)
    ]
    if len(versions) > 1:
        names = ", ".join(path.name for path in versions)
        raise DataError(f"dataset {root}", f"it holds the versions {names}", "pass one of them")
    return versions[0] if versions else None


def find_shards(folder: Path, split: str) -> tuple[Shard, ...]:
    """The shards of one split, ``train``, ``val`` or ``all``, in the order of their names.

    Raises:
        ConfigError: no shard is of this split, or there is no such split.
        DataError: ``dataset_info.json`` cannot be read.
    """
    if split not in SPLITS:
        raise ConfigError("split", f"expected one of {', '.join(SPLITS)}, got {split}")
    info = read_info(folder)
    shards = tuple(_shard(path, info) for path in _shard_paths(folder))
    there = {shard.split for shard in shards}
    wanted = ["train", ""] if split == "train" else [s for s in VALIDATION if s in there][:1]
    found = tuple(shard for shard in shards if split == "all" or shard.split in wanted)
    if not found:
        names = ", ".join(sorted(there - {""})) or "none"
        raise ConfigError("split", f"{folder} has no shards of {split}; splits there: {names}")
    return found


def missing_shards(shards: Sequence[Shard]) -> list[str]:
    """A line per split of which not every shard is there, for a sample is often enough."""
    numbers: dict[tuple[str, str, int], set[int]] = {}
    for shard in shards:
        if shard.of:
            numbers.setdefault((shard.dataset, shard.split, shard.of), set()).add(shard.number)
    return [
        f"{'-'.join(filter(None, (dataset, split)))}: only {len(there)} of its {of} shards are here"
        for (dataset, split, of), there in numbers.items()
        if len(there) < of
    ]


def known_fps(folder: Path, shards: Sequence[Shard]) -> float | None:
    """The frame rate of a dataset that is known by name, None otherwise.

    The name is that of ``dataset_info.json``, else of the shards, else of the folder.
    """
    above = folder.parent if VERSION.fullmatch(folder.name) else folder
    name = read_info(folder).name or shards[0].dataset or above.resolve().name
    known = (fps for start, fps in KNOWN_FPS.items() if name.lower().startswith(start))
    return next(known, None)


def read_info(folder: Path) -> Info:
    """``dataset_info.json``; empty where there is none.

    Raises:
        DataError: it is not what TFDS writes.
    """
    path = folder / "dataset_info.json"
    if not path.is_file():
        return Info()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Info, strict=False)  # ints as strings
    except (OSError, msgspec.MsgspecError) as error:
        fix = "mend or remove it: the shards can be read without"
        raise DataError(f"file {path}", f"not readable ({error})", fix) from error


def _shard_paths(folder: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if SHARD.search(path.name) and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        raise DataError(f"folder {folder}", f"cannot be listed ({error.strerror})") from error


def _shard(path: Path, info: Info) -> Shard:
    stem = SHARD.sub("", path.name)  # bridge_dataset-train-00000-of-00010
    match = NUMBER.search(stem)
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    name = NUMBER.sub("", stem)
    dataset, _, split = name.rpartition("-")
    lengths = {s.name: s.shard_lengths for s in info.splits}
    if split not in ("train", *VALIDATION, *lengths):
        dataset, split = name, ""
    promised = lengths.get(split, ())
    return Shard(
        path=path,
        label=f"{name}-{match[1]}" if match else name,
        split=split,
        dataset=dataset,
        number=number,
        of=of,
        records=promised[number] if number < of == len(promised) else None,
    )
