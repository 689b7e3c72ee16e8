"""Damaged episodes of a LeRobot dataset: skipped, counted and named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.lerobot.reader import read_lerobot
from lapa_edge.errors import DataError

from .files import (
    BOTH,
    HALF,
    LENGTHS,
    TOP,
    data_file,
    edit_table,
    read_table,
    write_lerobot,
)


@BOTH
def test_image_column_that_is_missing_is_named(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version, {TOP: "image"})
    for e in range(len(LENGTHS) if version == "v2.1" else 1):
        edit_table(data_file(root, version, e), **{TOP: None})
    with pytest.raises(DataError, match=f"columns {TOP} are missing"):
        read_lerobot(root)


def test_missing_video_of_one_episode_is_skipped_and_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    (root / f"videos/chunk-000/{TOP}/episode_000001.mp4").unlink()
    dataset = read_lerobot(root, split="all", max_damaged=HALF)
    assert [e.name[-1] for e in dataset.episodes] == ["0", "2", "3"]
    assert len(dataset.skipped) == 1
    assert "clip episode_000001: video" in dataset.skipped[0]
    assert "no such file" in dataset.skipped[0]
    with pytest.raises(DataError, match="1 of 4 clips are damaged, at most 10%"):
        read_lerobot(root, split="all")


@BOTH
def test_cut_video_is_found_before_it_is_decoded(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    path = sorted((root / "videos").rglob("*.mp4"))[0]
    path.write_bytes(path.read_bytes()[:700])
    if version == "v3.0":  # all episodes lie in it
        with pytest.raises(DataError, match=r"4 of 4 clips are damaged.*episode_000000: video"):
            read_lerobot(root, split="all", max_damaged=1.0)
    else:
        skipped = read_lerobot(root, split="all", max_damaged=HALF).skipped
        assert [line.split(":")[0] for line in skipped] == ["clip episode_000000"]


def test_video_of_another_length_is_skipped_and_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", "v2.1")
    folder = root / f"videos/chunk-000/{TOP}"
    (folder / "episode_000002.mp4").write_bytes((folder / "episode_000000.mp4").read_bytes())
    skipped = read_lerobot(root, split="all", max_damaged=HALF).skipped
    assert "episode_000002.mp4: expected 4 frames, it holds 6" in skipped[0]
    root = write_lerobot(tmp_path / "b", "v3.0")
    ends = {f"videos/{TOP}/to_timestamp": [0.6, 1.5, 1.9, 2.7]}
    edit_table(root / "meta/episodes/chunk-000/file-000.parquet", **ends)
    skipped = read_lerobot(root, split="all", max_damaged=HALF).skipped
    assert "expected 7 frames at 10 fps, its entry says 1.9 to 2.7 s" in skipped[0]


@BOTH
@pytest.mark.parametrize(
    ("column", "row", "value", "problem"),
    [
        ("action", 2, [np.nan, 0.5], r"action: expected finite numbers, got \[nan.* in step 2"),
        ("action", 2, [99.0, 0.5], r"action action_0 is 99 in step 2, outside -3"),
        ("observation.state", 8, np.inf, r"state: expected finite numbers, got \[inf\] in step 8"),
        ("frame_index", 3, 4, "expected frame_index 0 to 8 in order for episode 1"),
        ("timestamp", 3, 0.2, "time_s must increase, got 0.2 then 0.2 at step 3"),
        ("episode_index", 4, 12, "expected 9 rows of episode 1, got 8"),
        ("task_index", 0, 7, "task_index 7 is not among the 2 tasks"),
    ],
)
def test_episode_with_a_damaged_row_is_skipped_and_named(
    tmp_path: Path, version: str, column: str, row: int, value: Any, problem: str
) -> None:
    root = write_lerobot(tmp_path, version)
    path = data_file(root, version, 1)
    values = read_table(path)[column].to_pylist()
    values[row + (LENGTHS[0] if version == "v3.0" else 0)] = value
    edit_table(path, **{column: values})
    dataset = read_lerobot(root, split="all", max_damaged=HALF)
    assert [e.name[-1] for e in dataset.episodes] == ["0", "2", "3"]
    assert len(dataset.skipped) == 1
    assert re.search(f"^clip episode_000001.*{problem}", dataset.skipped[0])
    with pytest.raises(DataError, match="1 of 4 clips are damaged"):
        read_lerobot(root, split="all")


def test_episode_in_two_stretches_of_its_file_is_skipped_and_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v3.0")
    path = data_file(root, "v3.0", 0)
    table = read_table(path)
    last = LENGTHS[0] - 1
    pq.write_table(pa.concat_tables([table.slice(0, last), table.slice(last + 1)]), path)
    pq.write_table(pa.concat_tables([read_table(path), table.slice(last, 1)]), path)
    dataset = read_lerobot(root, split="all", max_damaged=HALF)
    assert len(dataset.episodes) == 3
    assert "in order for episode 0, got another order" in dataset.skipped[0]


@BOTH
def test_wrong_number_of_rows_and_missing_columns_are_named(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    path = data_file(root, version, 1)
    table = read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    last, length = (1, 9) if version == "v2.1" else (3, 7)
    with pytest.raises(
        DataError, match=f"expected {length} rows of episode {last}, got {length - 1}"
    ):
        read_lerobot(root, split="all")
    edit_table(path, action=None, timestamp=None)
    with pytest.raises(DataError, match="columns timestamp, action are missing, it has "):
        read_lerobot(root, split="all")
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=rf"{path.name}.*not a readable Parquet table"):
        read_lerobot(root, split="all")
    path.unlink()
    with pytest.raises(DataError, match=rf"{path.name}: no such file"):
        read_lerobot(root, split="all")
