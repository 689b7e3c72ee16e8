"""Recorded folders: what a killed run leaves behind, and what a reader finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import ROBOT, write_clips
from numpy.typing import NDArray

from lapa_edge.data.dataset import read_dataset
from lapa_edge.errors import DataError
from lapa_edge.evaluate import recording_set
from lapa_edge.evaluate.recording_set import ClipSet, record_sets


class Walker:
    """An environment whose expert walks right for ten steps; its words name the episode."""

    name, robot, max_steps = "walk", ROBOT, 20

    def __init__(self) -> None:
        self.instruction, self._x = "", 0

    def reset(self, seed: int) -> None:
        self.instruction, self._x = f"walk the way of {seed}", 0

    def frame(self) -> NDArray[np.uint8]:
        frame = np.zeros((48, 48, 3), np.uint8)
        frame[:, self._x] = 255
        return frame

    def state(self) -> NDArray[np.float32]:
        return np.array([self._x, 0], np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        self._x += 1
        return self._x >= 10

    def expert_action(self) -> NDArray[np.float32]:
        return np.array([1, 0], np.float32)

    def close(self) -> None:
        pass


@pytest.fixture
def walks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipSet:
    """A set of four clips, recorded in this very process."""
    monkeypatch.setattr(recording_set, "build_environment", lambda *_: Walker())
    monkeypatch.setattr(
        recording_set, "run_in_workers", lambda function, jobs, _: map(function, jobs)
    )
    return ClipSet(tmp_path, "toy", {"walk": range(4)}, 10.0, 0.2, labelled=True)


def test_a_recorded_folder_reads_as_a_labelled_dataset(walks: ClipSet) -> None:
    record_sets([walks], 1)
    dataset = read_dataset(walks.folder)
    assert [e.instruction for e in dataset.episodes] == [f"walk the way of {i}" for i in range(4)]
    assert dataset.robot == ROBOT
    first, second = (e.steps for e in dataset.episodes[:2])
    assert first
    assert second
    assert (first.action == (1, 0)).all()
    assert (second.action != (1, 0)).any(), "every other expert is pushed"


def test_clips_without_labels_keep_their_steps_to_themselves(walks: ClipSet) -> None:
    record_sets([replace(walks, labelled=False)], 1)
    assert not read_dataset(walks.folder).labelled.episodes


def test_a_stopped_recording_keeps_its_finished_clips(walks: ClipSet) -> None:
    record_sets([walks], 1)
    (walks.folder / "instructions.csv").unlink()
    (walks.folder / "walk_000002.mp4").unlink()
    kept = (walks.folder / "walk_000001.mp4").stat().st_mtime_ns
    record_sets([walks], 1)
    assert walks.finished
    assert (walks.folder / "walk_000001.mp4").stat().st_mtime_ns == kept
    assert len(read_dataset(walks.folder).labelled.episodes) == 4


def test_what_a_killed_run_left_is_not_taken_for_a_clip(tmp_path: Path) -> None:
    write_clips(tmp_path, 1, labelled=False)
    (tmp_path / ".reach_000002.77.mp4").write_bytes(b"half")
    assert [path.stem for path in recording_set._clips(tmp_path)] == ["clip_0"]


def test_a_clip_whose_steps_are_damaged_is_named(walks: ClipSet) -> None:
    record_sets([walks], 1)
    (walks.folder / "instructions.csv").unlink()
    (walks.folder / "walk_000003.steps").write_bytes(b"{")
    with pytest.raises(DataError, match=r"walk_000003\.steps: cannot be read .* delete walk_0000"):
        record_sets([walks], 1)
