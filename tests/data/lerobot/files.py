"""Small LeRobot datasets of both versions, written as the LeRobot library lays them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.source import Frame
from lapa_edge.data.video import write_video

LENGTHS = (6, 9, 4, 7)
FPS = 10
TOP, WRIST = "observation.images.top", "observation.images.wrist"
VERSIONS = ("v2.1", "v3.0")
BOTH = pytest.mark.parametrize("version", VERSIONS)
HALF = 0.5  # one of four episodes may be damaged
QUANTILES = ("q01", "q10", "q50", "q90", "q99")


def frame(episode: int, t: int, camera: str = TOP) -> Frame:
    """A grey that no other frame of the camera has."""
    return np.full((32, 48, 3), 20 + 40 * episode + 4 * t + 2 * (camera == WRIST), np.uint8)


def action(episode: int) -> np.ndarray:
    t = np.arange(LENGTHS[episode], dtype=np.float32)
    return np.stack([t / 10 - episode, np.full_like(t, 0.5)], axis=1)


def write_lerobot(root: Path, version: str, cameras: dict[str, str] | None = None) -> Path:
    """Four episodes; two tasks by turns, the second episode ends in the other.

    Args:
        root: where to.
        version: ``v2.1`` or ``v3.0``.
        cameras: ``video`` or ``image`` by key; one video where not given.
    """
    cameras = cameras or {TOP: "video"}
    info: dict[str, Any] = {
        "codebase_version": version,
        "robot_type": "arm",
        "total_episodes": len(LENGTHS),
        "total_frames": sum(LENGTHS),
        "total_tasks": 2,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": "0:3", "validation": "3:4"},
        "features": {k: {"dtype": kind, "shape": [32, 48, 3]} for k, kind in cameras.items()},
    }
    info["features"] |= {
        "observation.state": {"dtype": "float32", "shape": [1], "names": {"motors": ["lift"]}},
        "action": {"dtype": "float32", "shape": [2], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        **{
            f"{name}index": {"dtype": "int64", "shape": [1], "names": None}
            for name in ("frame_", "episode_", "", "task_")
        },
    }
    tables = [_table(e, cameras) for e in range(len(LENGTHS))]
    if version == "v2.1":
        info["data_path"] = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
        info["video_path"] = (
            "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
        )
        _write_v2(root, tables, cameras)
    else:
        info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
        info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
        _write_v3(root, tables, cameras)
    write_json(root / "meta/info.json", info)
    return root


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4))


def write_lines(path: Path, lines: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def edit_json(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


def data_file(root: Path, version: str, episode: int) -> Path:
    name = f"episode_{episode:06d}" if version == "v2.1" else "file-000"
    return root / f"data/chunk-000/{name}.parquet"


def read_table(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def edit_table(path: Path, **columns: Any) -> None:
    """Replace columns of a Parquet file; None takes a column away."""
    table = read_table(path)
    for name, values in columns.items():
        at = table.column_names.index(name)
        field = table.schema.field(at)
        table = table.remove_column(at)
        if values is not None:
            table = table.add_column(at, field, pa.array(values, field.type))
    pq.write_table(table, path)


def _table(episode: int, cameras: dict[str, str]) -> pa.Table:
    n, first = LENGTHS[episode], sum(LENGTHS[:episode])
    tasks = np.full(n, episode % 2)
    tasks[-1] = 0
    images = {
        key: pa.array([{"bytes": png(frame(episode, t, key)), "path": "x.png"} for t in range(n)])
        for key, kind in cameras.items()
        if kind == "image"
    }
    columns = images | {
        "observation.state": pa.array(np.arange(n, dtype=np.float32)),
        "action": pa.array(action(episode).tolist(), pa.list_(pa.float32(), 2)),
        "timestamp": pa.array((np.arange(n) / FPS).astype(np.float32)),
        "frame_index": pa.array(np.arange(n)),
        "episode_index": pa.array(np.full(n, episode)),
        "index": pa.array(first + np.arange(n)),
        "task_index": pa.array(tasks),
    }
    value = {"_type": "Value"}
    known: dict[str, Any] = {name: {"dtype": "int64"} | value for name in columns}
    known |= {key: {"_type": "Image"} for key in images}
    known["observation.state"] = known["timestamp"] = {"dtype": "float32"} | value
    known["action"] = {"feature": {"dtype": "float32"} | value, "length": 2, "_type": "List"}
    described = json.dumps({"info": {"features": known}, "fingerprint": "1f"})
    return pa.table(columns).replace_schema_metadata({"huggingface": described})


def _stats(rows: np.ndarray) -> dict[str, Any]:
    stats = {
        "min": rows.min(0).tolist(),
        "max": rows.max(0).tolist(),
        "mean": rows.mean(0).tolist(),
        "std": rows.std(0).tolist(),
        "count": [len(rows)],
    }
    return {"action": stats}


def _write_v2(root: Path, tables: list[pa.Table], cameras: dict[str, str]) -> None:
    for e, table in enumerate(tables):
        path = data_file(root, "v2.1", e)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="none")
        for key, kind in cameras.items():
            if kind == "video":
                path = root / f"videos/chunk-000/{key}/episode_{e:06d}.mp4"
                write_video(path, [frame(e, t, key) for t in range(LENGTHS[e])], FPS)
    numbered = list(enumerate(LENGTHS))
    tasks = [{"task_index": i, "task": f"task {i}"} for i in range(2)]
    write_lines(root / "meta/tasks.jsonl", tasks)
    lines = [{"episode_index": e, "tasks": ["task 0"], "length": n} for e, n in numbered]
    write_lines(root / "meta/episodes.jsonl", lines)
    stats = [{"episode_index": e, "stats": _stats(action(e))} for e, _ in numbered]
    write_lines(root / "meta/episodes_stats.jsonl", stats)


def _write_v3(root: Path, tables: list[pa.Table], cameras: dict[str, str]) -> None:
    path = data_file(root, "v3.0", 0)
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, tables[0].schema) as writer:
        for one in (tables[0], pa.concat_tables(tables[1:])):
            writer.write_table(one)
    ends = np.cumsum(LENGTHS)
    count = len(LENGTHS)
    columns: dict[str, Any] = {
        "episode_index": list(range(count)),
        "tasks": [["task 0"]] * count,
        "length": list(LENGTHS),
        "data/chunk_index": [0] * count,
        "data/file_index": [0] * count,
    }
    for key in (key for key, kind in cameras.items() if kind == "video"):
        frames = [frame(e, t, key) for e in range(count) for t in range(LENGTHS[e])]
        write_video(root / f"videos/{key}/chunk-000/file-000.mp4", frames, FPS)
        columns |= {f"videos/{key}/{name}_index": [0] * count for name in ("chunk", "file")}
        columns[f"videos/{key}/from_timestamp"] = [float(x) for x in (ends - LENGTHS) / FPS]
        columns[f"videos/{key}/to_timestamp"] = [float(x) for x in ends / FPS]
    for name in ("min", "max", "mean", "std", *QUANTILES):
        columns[f"stats/action/{name}"] = [[0.0, 0.5]] * count
    columns["stats/action/count"] = [[n] for n in LENGTHS]
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path)
    tasks = {"task_index": [0, 1], "__index_level_0__": ["task 0", "task 1"]}
    pq.write_table(pa.table(tasks), root / "meta/tasks.parquet")
    stats = _stats(np.concatenate([action(e) for e in range(count)]))
    stats["action"] |= {name: [0.0, 0.5] for name in QUANTILES}
    write_json(root / "meta/stats.json", stats)


def png(image: Frame) -> bytes:
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *image.shape[:2], "rgb24"
    picture = av.VideoFrame.from_ndarray(image, format="rgb24")
    return b"".join(bytes(p) for p in (*encoder.encode(picture), *encoder.encode(None)))
