"""LeRobot v3.0: Parquet in ``meta/``, many episodes in one Parquet file and in one video.

meta/info.json stats.json tasks.parquet episodes/chunk-000/file-000.parquet
data/chunk-000/file-000.parquet
videos/{camera}/chunk-000/file-000.mp4
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from lapa_edge.data.lerobot.manifest import (
    ACTION,
    EpisodePlace,
    Info,
    Manifest,
    VideoPlace,
    check_places,
    convert,
    place_file,
    read_json,
)
from lapa_edge.data.lerobot.rows import read_schema, read_table
from lapa_edge.errors import DataError

EPISODES = pa.schema(
    [
        ("episode_index", pa.int64()),
        ("length", pa.int64()),
        ("data/chunk_index", pa.int64()),
        ("data/file_index", pa.int64()),
    ]
)
VIDEO = (
    ("chunk_index", pa.int64()),
    ("file_index", pa.int64()),
    ("from_timestamp", pa.float64()),
    ("to_timestamp", pa.float64()),
)


def read_v3(root: Path, info: Info, camera: str) -> Manifest:
    """Read what lies beside ``info.json``.

    Args:
        root: the dataset's folder.
        info: its ``info.json``.
        camera: full key of the video wanted; empty for none.

    Raises:
        DataError: a file is missing or malformed.
    """
    schema = EPISODES
    if camera:
        if not info.video_path:
            raise DataError(f"LeRobot dataset {root}", f"video_path is missing for {camera}")
        for name, kind in VIDEO:
            schema = schema.append(pa.field(f"videos/{camera}/{name}", kind))
    places = []
    for path in episode_files(root):
        for row in read_table(path, schema).to_pylist():
            places.append(_place(root, info, camera, row, path))
    tasks = _read_tasks(root / "meta" / "tasks.parquet")
    return Manifest(info, check_places(root, info, places), tasks, _action_limits(root))


def episode_files(root: Path) -> list[Path]:
    """The tables of episodes, in order.

    Raises:
        DataError: there are none.
    """
    folder = root / "meta" / "episodes"
    paths = sorted(p for p in folder.glob("*/*.parquet") if not p.name.startswith("."))
    if not paths:
        raise DataError(f"folder {folder}", "expected tables of episodes (*/*.parquet), got none")
    return paths


def _place(root: Path, info: Info, camera: str, row: dict[str, Any], path: Path) -> EpisodePlace:
    index, length = row["episode_index"], row["length"]
    if index < 0 or length < 1:
        raise DataError(f"table {path}", f"episode {index} has length {length}, expected 1 or more")
    data = place_file(
        root,
        info.data_path,
        chunk_index=row["data/chunk_index"],
        file_index=row["data/file_index"],
    )
    if not camera:
        return EpisodePlace(index, length, data)
    of_video = {name: row[f"videos/{camera}/{name}"] for name, _ in VIDEO}
    file = place_file(
        root,
        info.video_path or "",
        video_key=camera,
        chunk_index=of_video["chunk_index"],
        file_index=of_video["file_index"],
    )
    video = VideoPlace(file, of_video["from_timestamp"], of_video["to_timestamp"])
    return EpisodePlace(index, length, data, video)


def _read_tasks(path: Path) -> dict[int, str]:
    """Instructions by index; pandas keeps the text in its index, named or not."""
    names = read_schema(path).names
    text = next((name for name in ("task", "__index_level_0__") if name in names), "task")
    table = read_table(path, pa.schema([("task_index", pa.int64()), (text, pa.string())]))
    return dict(zip(table["task_index"].to_pylist(), table[text].to_pylist(), strict=True))


def _action_limits(root: Path) -> tuple[list[float], list[float]] | None:
    path = root / "meta" / "stats.json"
    if not path.is_file():
        return None
    stats: dict[str, object] = convert(read_json(path), dict[str, object], path)
    if ACTION not in stats:
        return None
    limits: dict[str, Any] = convert(stats[ACTION], dict[str, Any], path)
    low, high = (convert(limits.get(name), list[float], path) for name in ("min", "max"))
    return low, high
