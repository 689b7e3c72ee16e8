from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.episode import Dataset
from lapa_edge.data.folders.videos import read_folder
from lapa_edge.data.frame_store import FrameStore, build_frame_store
from lapa_edge.data.frame_store_build import FRAMES_NAME, PROGRESS_NAME
from lapa_edge.data.source import Frame
from lapa_edge.data.video import VideoFile
from lapa_edge.errors import DataError

from .conftest import MakeClip

COUNTS = {"a": 5, "b": 1, "c": 7}


def nearest(frame: Frame, height: int, width: int) -> Frame:
    rows = np.arange(height) * frame.shape[0] // height
    columns = np.arange(width) * frame.shape[1] // width
    return frame[rows][:, columns]


class Resizer:
    """Counts its frames and, once, fails at a given one as a kill would."""

    def __init__(self, fail_at: int = -1) -> None:
        self.calls, self.fail_at = 0, fail_at

    def __call__(self, frame: Frame, height: int, width: int) -> Frame:
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        return nearest(frame, height, width)


@pytest.fixture
def dataset(make_clip: MakeClip, tmp_path: Path) -> Dataset:
    for name, count in COUNTS.items():
        make_clip(f"clips/{name}.mp4", count=count)
    return read_folder(tmp_path / "clips")


def clip_path(dataset: Dataset, index: int) -> Path:
    video = dataset.episodes[index].video
    assert isinstance(video, VideoFile)
    return video.path


def check_content(store: FrameStore, dataset: Dataset) -> None:
    assert store.all.shape == (13, 24, 32, 3)
    for episode in dataset.episodes:
        expected = [nearest(frame, 24, 32) for frame in episode.video.read()]
        np.testing.assert_array_equal(store.frames(episode.name), np.stack(expected))


def test_frames_lie_clip_after_clip(dataset: Dataset, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    store = build_frame_store(
        dataset,
        tmp_path / "store",
        24,
        32,
        progress=lambda done, total: reports.append((done, total)),
        resize=nearest,
    )
    assert store.names == ("a", "b", "c")
    assert [store.offset(n) for n in "abc"] == [0, 5, 6]
    assert [store.count(n) for n in "abc"] == [5, 1, 7]
    assert reports == [(5, 13), (6, 13), (13, 13)]
    assert store.skipped == ()
    check_content(store, dataset)


def test_store_cannot_be_written_to(dataset: Dataset, tmp_path: Path) -> None:
    store = build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest)
    with pytest.raises(ValueError, match="read-only"):
        store.frames("a")[0] = 0


def test_ready_store_opens_without_decoding(dataset: Dataset, tmp_path: Path) -> None:
    build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest)
    again = Resizer()
    store = build_frame_store(dataset, tmp_path / "store", 24, 32, resize=again)
    assert again.calls == 0
    check_content(store, dataset)


@pytest.mark.parametrize("fail_at", [0, 4, 5, 6, 9, 12])
def test_killed_build_goes_on_behind_the_last_whole_clip(
    dataset: Dataset, tmp_path: Path, fail_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_frame_store(dataset, tmp_path / "store", 24, 32, resize=Resizer(fail_at))
    again = Resizer()
    store = build_frame_store(dataset, tmp_path / "store", 24, 32, resize=again)
    whole = 6 if fail_at >= 6 else 5 if fail_at >= 5 else 0
    assert again.calls == 13 - whole
    check_content(store, dataset)


def test_half_written_progress_line_is_forgotten(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_frame_store(dataset, tmp_path / "store", 24, 32, resize=Resizer(9))
    progress = tmp_path / "store" / PROGRESS_NAME
    progress.write_text(progress.read_text() + '{"name": "c", "off')
    check_content(build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest), dataset)


def test_shortened_frames_are_not_trusted(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_frame_store(dataset, tmp_path / "store", 24, 32, resize=Resizer(9))
    os.truncate(tmp_path / "store" / FRAMES_NAME, 100)
    check_content(build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest), dataset)
    os.truncate(tmp_path / "store" / FRAMES_NAME, 100)
    check_content(build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest), dataset)


def test_changed_clips_or_size_build_anew(
    dataset: Dataset, make_clip: MakeClip, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    build_frame_store(dataset, directory, 24, 32, resize=nearest)
    assert build_frame_store(dataset, directory, 12, 16, resize=nearest).all.shape[1:3] == (12, 16)
    make_clip("clips/b.mp4", count=4)
    changed = read_folder(tmp_path / "clips")
    store = build_frame_store(changed, directory, 12, 16, resize=nearest)
    assert store.count("b") == 4
    assert (directory / FRAMES_NAME).stat().st_size == 16 * 12 * 16 * 3


def test_clip_damaged_since_reading_is_skipped_and_named(dataset: Dataset, tmp_path: Path) -> None:
    video = clip_path(dataset, 0)
    video.write_bytes(video.read_bytes()[:200])
    store = build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest)
    assert store.names == ("b", "c")
    assert "a.mp4" in store.skipped[0]
    assert store.offset("b") == 0
    assert store.all.shape[0] == 8
    with pytest.raises(DataError, match="clip a: the frame store lacks it"):
        store.frames("a")


def test_clip_of_another_length_than_its_labels_is_skipped(
    dataset: Dataset, make_clip: MakeClip, tmp_path: Path
) -> None:
    make_clip("clips/c.mp4", count=9)
    store = build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest)
    assert store.names == ("a", "b")
    assert "the dataset says 7 frames, decoding gave 9" in store.skipped[0]
    assert store.all.shape[0] == 6


def test_store_of_damaged_clips_only_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    for index in range(len(dataset.episodes)):
        clip_path(dataset, index).write_bytes(b"words")
    with pytest.raises(DataError, match=r"no clip could be decoded: .*a.mp4"):
        build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest)


def test_full_disk_is_told_before_decoding(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=20_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    resize = Resizer()
    with pytest.raises(DataError, match=r"13 frames of 2000x2000 need 0.16 GB, 0.02 GB are free"):
        build_frame_store(dataset, tmp_path / "store", 2000, 2000, resize=resize)
    assert resize.calls == 0


def test_disk_that_fills_up_while_decoding_keeps_what_is_done(
    dataset: Dataset, tmp_path: Path
) -> None:
    class FullDisk(Resizer):
        def __call__(self, frame: Frame, height: int, width: int) -> Frame:
            if self.calls == 6:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().__call__(frame, height, width)

    with pytest.raises(DataError, match=r"No space left on device.*finished clips are kept"):
        build_frame_store(dataset, tmp_path / "store", 24, 32, resize=FullDisk())
    again = Resizer()
    check_content(build_frame_store(dataset, tmp_path / "store", 24, 32, resize=again), dataset)
    assert again.calls == 7


def test_clip_removed_since_reading_is_skipped_and_named(dataset: Dataset, tmp_path: Path) -> None:
    clip_path(dataset, 1).unlink()
    store = build_frame_store(dataset, tmp_path / "store", 24, 32, resize=nearest)
    assert store.names == ("a", "c")
    assert "b.mp4: no such file" in store.skipped[0]


def test_frames_of_the_right_size_are_stored_as_they_are(dataset: Dataset, tmp_path: Path) -> None:
    resize = Resizer()
    store = build_frame_store(dataset, tmp_path / "store", 48, 64, resize=resize)
    assert resize.calls == 0
    frames = np.stack(list(dataset.episodes[2].video.read()))
    np.testing.assert_array_equal(store.frames("c"), frames)
