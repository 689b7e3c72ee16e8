"""LeRobot v2.1: JSON lines in ``meta/``, one Parquet file and one video per episode and camera.

meta/info.json episodes.jsonl tasks.jsonl episodes_stats.jsonl
data/chunk-000/episode_000000.parquet
videos/chunk-000/{camera}/episode_000000.mp4
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from lapa_edge.data.lerobot.manifest import (
    ACTION,
    EpisodePlace,
    Index,
    Info,
    Manifest,
    VideoPlace,
    check_places,
    convert,
    place_file,
    read_json_lines,
)
from lapa_edge.data.lerobot.manifest import Count as Length
from lapa_edge.errors import DataError


class _Episode(msgspec.Struct):
    episode_index: Index
    length: Length


class _Task(msgspec.Struct):
    task_index: Index
    task: str


class _Limits(msgspec.Struct):
    min: list[float]
    max: list[float]


class _Stats(msgspec.Struct):
    stats: dict[str, object]


def read_v2(root: Path, info: Info, camera: str) -> Manifest:
    """Read what lies beside ``info.json``.

    Args:
        root: the dataset's folder.
        info: its ``info.json``.
        camera: full key of the video wanted; empty for none.

    Raises:
        DataError: a file is missing or malformed.
    """
    places = []
    for source, line in read_json_lines(root / "meta" / "episodes.jsonl"):
        one: _Episode = convert(line, _Episode, source)
        values: dict[str, int | str] = {
            "episode_chunk": one.episode_index // info.chunks_size,
            "episode_index": one.episode_index,
        }
        video = None
        if camera:
            if not info.video_path:
                raise DataError(f"LeRobot dataset {root}", f"video_path is missing for {camera}")
            video = VideoPlace(place_file(root, info.video_path, **values, video_key=camera))
        data = place_file(root, info.data_path, **values)
        places.append(EpisodePlace(one.episode_index, one.length, data, video))
    tasks: dict[int, str] = {}
    for source, line in read_json_lines(root / "meta" / "tasks.jsonl"):
        task: _Task = convert(line, _Task, source)
        tasks[task.task_index] = task.task
    return Manifest(info, check_places(root, info, places), tasks, _action_limits(root))


def _action_limits(root: Path) -> tuple[list[float], list[float]] | None:
    """The lowest minimum and highest maximum over all episodes."""
    path = root / "meta" / "episodes_stats.jsonl"
    if not path.is_file():
        return None
    low: list[float] = []
    high: list[float] = []
    for source, line in read_json_lines(path):
        stats: _Stats = convert(line, _Stats, source)
        if ACTION not in stats.stats:
            return None
        one: _Limits = convert(stats.stats[ACTION], _Limits, source)
        low, high = low or one.min, high or one.max
        if not len(one.min) == len(low) == len(one.max) == len(high):
            raise DataError(f"file {source}", f"{ACTION}: its limits differ in length from others")
        low = [min(a, b) for a, b in zip(low, one.min, strict=True)]
        high = [max(a, b) for a, b in zip(high, one.max, strict=True)]
    return low, high
