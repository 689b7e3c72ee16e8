"""Something-Something v2 in, clips of hands and their sentences out.

    root/
      labels/train.json validation.json    [{"id": "78687", "label": "holding potato", ...}, ...]
      20bn-something-something-v2/*.webm   any folder below root, or root itself

The label files may also lie in ``root`` and bear their long names,
``something-something-v2-train.json`` and the like. A clip's name is its id, its instruction the
label. Videos that the split does not list, those of the test set among them, are left out.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset
from lapa_edge.data.folders.probe import probe_videos
from lapa_edge.data.video import VIDEO_SUFFIXES
from lapa_edge.errors import ConfigError, DataError

LABEL_FILES = {"train": "train", "val": "validation"}  # by split
SPLITS = (*LABEL_FILES, "all")
PREFIX = "something-something-v2-"
HEAD_BYTES = 1024  # of a label file; the first entry lies within


class Entry(msgspec.Struct, frozen=True):
    """What a label file says about one video."""

    id: str
    label: str


def is_something(root: Path) -> bool:
    """Whether ``root`` has this layout: one of its label files, and entries with a template."""
    for split in LABEL_FILES:
        with suppress(OSError):
            path = _find_labels(root, split)
            head = _head(path) if path else b""
            if b'"template"' in head and b'"id"' in head:
                return True
    return False


def read_something(
    root: Path, *, split: str = "train", max_damaged: float = MAX_DAMAGED
) -> Dataset:
    """Read the clips of one split, sorted by id; the frame rate is each video's own (12 Hz).

    Args:
        root: the dataset's folder.
        split: ``train``, ``val`` or ``all`` (both).
        max_damaged: share of the split's clips, 0 to 1, that may be missing or damaged.

    Raises:
        DataError: a label file is missing or malformed, or too many clips are damaged.
        ConfigError: an unknown split.
    """
    if split not in SPLITS:
        raise ConfigError("split", f"expected one of {', '.join(SPLITS)}, got {split}")
    labels: dict[str, str] = {}
    for one in LABEL_FILES if split == "all" else (split,):
        labels.update(_read_labels(root, one, labels))
    videos = _find_videos(root)
    there = {name: videos[name] for name in sorted(labels) if name in videos}
    missing = {
        name: f"video {name}: the labels name it, it is not below {root}"
        for name in sorted(labels)
        if name not in videos
    }
    episodes, damaged = probe_videos(there)
    lines = (*missing.values(), *damaged.values())
    check_damage(f"dataset {root}", lines, len(labels), max_damaged)
    return Dataset(
        root, tuple(replace(e, instruction=labels[e.name]) for e in episodes), None, lines
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _find_labels(root: Path, split: str) -> Path | None:
    """The label file of ``train`` or ``val``; None where there is none."""
    name = f"{LABEL_FILES[split]}.json"
    places = (root / "labels" / name, root / "labels" / (PREFIX + name), root / (PREFIX + name))
    return next((path for path in (*places, root / name) if path.is_file()), None)


def _read_labels(root: Path, split: str, known: dict[str, str]) -> dict[str, str]:
    """Label by id; raises DataError where an id comes twice or is in ``known``."""
    path = _find_labels(root, split)
    if path is None:
        name = f"{LABEL_FILES[split]}.json"
        raise DataError(
            f"dataset {root}",
            f"expected the labels of split {split} in labels/{name} or {PREFIX}{name}",
            "add the file, or read another split",
        )
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[Entry])
    except (OSError, ValueError) as error:
        raise DataError(
            f"labels {path}", f"not a list of entries with id and label ({error})"
        ) from error
    labels: dict[str, str] = {}
    for entry in entries:
        if entry.id in labels or entry.id in known:
            raise DataError(f"labels {path}", f"id {entry.id} comes twice", "remove one entry")
        labels[entry.id] = entry.label.strip()
    if not labels:
        raise DataError(f"labels {path}", "it lists no videos")
    return labels


def _find_videos(root: Path) -> dict[str, Path]:
    """Video files below ``root`` by id; every folder is listed once and no file is asked.

    Raises:
        DataError: an id has two files.
    """
    found: dict[str, Path] = {}
    for folder, _, files in os.walk(root):
        for file in files:
            stem, dot, suffix = file.rpartition(".")
            if dot + suffix.lower() not in VIDEO_SUFFIXES or stem.startswith("."):
                continue
            if stem in found:
                raise DataError(
                    f"clip {stem}", f"both {found[stem]} and {Path(folder, file)}", "remove one"
                )
            found[stem] = Path(folder, file)
    return found
