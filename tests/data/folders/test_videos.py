from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders.videos import read_folder, write_instructions, write_labels
from lapa_edge.errors import DataError

from ..conftest import MakeClip


def test_plain_folder_is_read_in_order_of_names(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mkv", "deep/er/c.mov", "videos/d.avi"):
        make_clip(name, count=5)
    make_clip(".hidden.mp4")
    make_clip(".trash/old.mp4")
    (tmp_path / "notes.txt").write_text("not a clip")
    dataset = read_folder(tmp_path)
    assert [e.name for e in dataset.episodes] == ["a", "b", "d", "deep/er/c"]
    assert {(e.fps, e.frame_count, e.instruction) for e in dataset.episodes} == {(10.0, 5, "")}
    assert dataset.robot is None
    assert dataset.labelled.episodes == ()


def test_instructions_beside_the_clips_are_used(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", count=3)
    make_clip("b.mp4", count=3)
    write_instructions(tmp_path, {"b": "push the cube"})
    assert [e.instruction for e in read_folder(tmp_path).episodes] == ["", "push the cube"]


def test_instruction_for_a_missing_clip_is_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", count=3)
    write_instructions(tmp_path, {"z": "push the cube"})
    with pytest.raises(DataError, match=r"instructions.csv: it names 1 clips .* \(z\)"):
        read_folder(tmp_path)


def test_clips_with_steps_become_labelled(
    make_clip: MakeClip, tmp_path: Path, robot: RobotSpec
) -> None:
    make_clip("a.mp4")
    make_clip("b.mp4")
    steps = Steps(np.arange(30) / 20, np.zeros((30, 2)), np.zeros((30, 3)))
    write_labels(tmp_path, robot, {"b.mp4": steps})
    dataset = read_folder(tmp_path)
    assert dataset.robot == robot
    (labelled,) = dataset.labelled.episodes
    assert labelled.name == "b"
    assert labelled.step_frames().tolist() == [i // 2 for i in range(30)]


def test_steps_for_a_missing_clip_are_refused(
    make_clip: MakeClip, tmp_path: Path, robot: RobotSpec
) -> None:
    make_clip("a.mp4", count=3)
    write_labels(tmp_path, robot, {"z": Steps(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 3)))})
    with pytest.raises(DataError, match=r"steps.parquet: it names 1 clips .* \(z\)"):
        read_folder(tmp_path)


def test_damaged_clip_is_skipped_and_named(make_clip: MakeClip, tmp_path: Path) -> None:
    for i in range(10):
        make_clip(f"{i}.mp4", count=2)
    (tmp_path / "3.mp4").write_bytes(b"")
    write_instructions(tmp_path, {"3": "push", "4": "pull"})
    dataset = read_folder(tmp_path)
    assert [e.name for e in dataset.episodes] == list("012456789")
    assert len(dataset.skipped) == 1
    assert "3.mp4: the file is empty" in dataset.skipped[0]


def test_too_many_damaged_clips_are_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", count=2)
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 2 clips are damaged, at most 10% may be: .*b.mp4"):
        read_folder(tmp_path)
    assert len(read_folder(tmp_path, max_damaged=0.5).episodes) == 1
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="2 of 2 clips are damaged"):
        read_folder(tmp_path, max_damaged=1.0)


def test_folder_without_videos_tells_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no videos; .*\.mp4, \.webm, \.avi, \.mkv, \.mov"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_folder(tmp_path / "none")


def test_two_files_of_one_clip_name_are_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", count=2)
    make_clip("a.mkv", count=2)
    with pytest.raises(DataError, match=r"clip a: both .*a.mkv and .*a.mp4"):
        read_folder(tmp_path)


def test_real_clips_and_their_instructions_are_read(shared_data: Path) -> None:
    dataset = read_folder(shared_data / "bridge_v2_clips")
    assert len(dataset.episodes) == 20
    assert sum(e.instruction != "" for e in dataset.episodes) == 12
    assert dataset.skipped == ()
