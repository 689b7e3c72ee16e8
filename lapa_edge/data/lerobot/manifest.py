"""What a LeRobot dataset says about itself: ``meta/info.json``, and what both versions share.

`v2` and `v3` fill a `Manifest` from the rest of ``meta/``; `reader` reads the
episodes that it lists.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec

from lapa_edge.errors import ConfigError, DataError

VERSIONS = ("v2.1", "v3.0")
STATE, ACTION = "observation.state", "action"
AGAIN = "copy the dataset again"
SPLIT_NAMES = {"train": ("train",), "val": ("val", "validation", "valid"), "test": ("test",)}

Index = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
Count = Annotated[int, msgspec.Meta(ge=1, lt=1 << 62)]
PLACEHOLDER = re.compile(r"\{(\w+)(?::0?(\d)d)?\}")


class Feature(msgspec.Struct, frozen=True):
    """One column: its dtype (``video`` and ``image`` are cameras), shape and names, if any."""

    dtype: str
    shape: tuple[Index, ...]
    names: Any = None


class Info(msgspec.Struct, frozen=True):
    """The part of ``info.json`` that is needed."""

    codebase_version: str
    fps: Annotated[float, msgspec.Meta(gt=0)]
    total_episodes: Index
    features: dict[str, Feature]
    data_path: str
    video_path: str | None = None
    chunks_size: Count = 1000
    splits: dict[str, str] = {}

    @property
    def cameras(self) -> dict[str, Feature]:
        """Features that are video or images, in their order."""
        return {k: f for k, f in self.features.items() if f.dtype in ("video", "image")}


@dataclass(frozen=True)
class VideoPlace:
    """Where an episode's video lies: seconds of a file."""

    path: Path
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True)
class EpisodePlace:
    """Where an episode's ``length`` rows lie, and its video where one was asked for."""

    index: int
    length: int
    data: Path
    video: VideoPlace | None = None

    @property
    def name(self) -> str:
        """The clip's name, by which labels and messages know it."""
        return f"episode_{self.index:06d}"


@dataclass(frozen=True)
class Manifest:
    """Everything that ``meta/`` tells: episodes by index, tasks, and limits of the action.

    ``action_limits`` are the lowest and highest action ever recorded, None where not known.
    """

    info: Info
    places: tuple[EpisodePlace, ...]
    tasks: dict[int, str]
    action_limits: tuple[list[float], list[float]] | None = None


def read_info(root: Path) -> Info:
    """Read ``meta/info.json``.

    Raises:
        DataError: missing, malformed, or of another version of the format.
    """
    path = root / "meta" / "info.json"
    content = read_json(path)
    found = content.get("codebase_version") if isinstance(content, dict) else None
    if isinstance(found, str) and found not in VERSIONS:
        raise DataError(
            f"LeRobot dataset {root}",
            f"expected codebase_version {' or '.join(VERSIONS)}, got {found}",
            _how_to_convert(found),
        )
    info = convert(content, Info, path)
    if not math.isfinite(info.fps):
        raise DataError(f"table {path}", f"fps: expected a finite number, got {info.fps}")
    return info


def read_json(path: Path) -> Any:
    """Read JSON; NaN is accepted, for LeRobot's statistics may hold it.

    Raises:
        DataError: the file is missing or not JSON.
    """
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"file {path}", "no such file", AGAIN) from error
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise DataError(f"file {path}", f"not readable JSON ({error})", AGAIN) from error


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Read a file of one JSON object a line: where each came from, and the object.

    Raises:
        DataError: the file is missing, or a line is not JSON.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}, line {number}", _parse(line)
    except FileNotFoundError as error:
        raise DataError(f"file {path}", "no such file", AGAIN) from error
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise DataError(f"file {path}", f"not readable JSON lines ({error})", AGAIN) from error


def _parse(content: bytes) -> Any:
    if b"NaN" in content or b"Infinity" in content:  # no JSON, but Python writes it
        return json.loads(content)
    return msgspec.json.decode(content)


def convert(content: Any, kind: Any, source: str | Path) -> Any:
    """Check parsed JSON against a type.

    Raises:
        DataError: a field is missing or of another type.
    """
    try:
        return msgspec.convert(content, kind)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"file {source}", str(error), AGAIN) from error


def choose_camera(root: Path, info: Info, camera: str) -> str:
    """The full key of a camera, given in full or by its last part; empty takes the first.

    Raises:
        DataError: the dataset has no camera.
        ConfigError: the name is unknown, or two cameras end in it.
    """
    known = list(info.cameras)
    if not known:
        raise DataError(f"LeRobot dataset {root}", "expected a video or image feature, got none")
    if not camera or camera in known:
        return camera or known[0]
    ending = [key for key in known if key.rsplit(".", 1)[-1] == camera]
    if len(ending) != 1:
        raise ConfigError(
            "camera",
            f"expected one of {', '.join(known)}, got {camera}" + (", which is two" * bool(ending)),
        )
    return ending[0]


def vector_names(info: Info, key: str) -> tuple[str, ...]:
    """One name per number of a feature.

    LeRobot keeps a list, a list below a group's name, or a place by name. Where it has none, or
    not one for each number, they are numbered.

    Raises:
        DataError: the feature is not a list of numbers.
    """
    feature = info.features[key]
    if len(feature.shape) != 1 or not 1 <= feature.shape[0] < 1 << 16:
        shape = list(feature.shape)
        raise DataError(f"feature {key}", f"expected a shape of one dimension, got {shape}")
    names = feature.names
    if isinstance(names, dict):
        groups = list(names.values())
        if groups and all(isinstance(g, list) for g in groups):
            names = [name for group in groups for name in group]
        elif all(isinstance(g, int) for g in groups):
            names = sorted(names, key=lambda name: feature.names[name])
    width = feature.shape[0]
    if isinstance(names, list) and len(names) == width and all(isinstance(n, str) for n in names):
        return tuple(names)
    return tuple(f"{key.rsplit('.', 1)[-1]}_{i}" for i in range(width))


def split_range(root: Path, info: Info, split: str) -> range:
    """Episode indices of a split; a dataset that names no splits is one train split.

    Raises:
        ConfigError: the split is unknown here.
        DataError: its range is malformed.
    """
    whole = range(1 << 62)
    if split == "all" or (split == "train" and not info.splits):
        return whole
    for name in SPLIT_NAMES.get(split, ()):
        if name in info.splits:
            match = re.fullmatch(r"(\d{1,18}):(\d{1,18})", info.splits[name])
            if not match:
                thing, got = f"LeRobot dataset {root}", info.splits[name]
                raise DataError(thing, f"split {name}: expected start:end, got {got}")
            return range(int(match[1]), int(match[2]))
    known = ", ".join([*info.splits, "all"])
    raise ConfigError("split", f"expected one of {known}, for {root} has no other, got {split}")


def place_file(root: Path, template: str, **values: int | str) -> Path:
    """Fill a path of ``info.json``, such as ``data/chunk-{chunk_index:03d}/...``.

    Raises:
        DataError: an unknown placeholder, or the path leads out of the dataset.
    """

    def fill(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None:
            known = ", ".join(values)
            raise DataError(f"path {template}", f"expected {known} in braces, got {match[1]}")
        return str(value).zfill(int(match[2] or 0))

    filled = PLACEHOLDER.sub(fill, template)
    inside = PurePosixPath(filled)
    if inside.is_absolute() or ".." in inside.parts or "\0" in filled:
        raise DataError(f"path {template}", f"{filled!r} leads out of the dataset {root}")
    return root / inside


def check_places(root: Path, info: Info, places: list[EpisodePlace]) -> tuple[EpisodePlace, ...]:
    """Episodes sorted by index.

    Raises:
        DataError: an index comes twice, or there are more or fewer than ``info.json`` says.
    """
    ordered = sorted(places, key=lambda place: place.index)
    for one, other in pairwise(ordered):
        if one.index == other.index:
            raise DataError(f"LeRobot dataset {root}", f"episode {one.index} is listed twice")
    if len(ordered) != info.total_episodes:
        raise DataError(
            f"LeRobot dataset {root}",
            f"info.json says {info.total_episodes} episodes, {len(ordered)} are listed beside it",
            AGAIN,
        )
    return tuple(ordered)


def _how_to_convert(version: str) -> str:
    if version == "v2.0":
        return "convert it with lerobot 0.3: lerobot.datasets.v21.convert_dataset_v20_to_v21"
    if version.startswith("v1."):
        return "convert it with lerobot 0.3: lerobot.datasets.v2.convert_dataset_v1_to_v2"
    return "read it with a newer lapa-edge, or convert it to v3.0"
