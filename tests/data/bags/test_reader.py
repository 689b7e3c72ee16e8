"""Bags read: which are bags, cameras, encodings, instructions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lapa_edge.data.bags.file import opened_bag
from lapa_edge.data.bags.reader import is_bag, read_bags
from lapa_edge.data.folders.videos import write_instructions
from lapa_edge.errors import ConfigError, DataError, MissingDependencyError

from .files import (
    CAMERA,
    JOINTS,
    SIZE,
    START_NS,
    STORE,
    clip,
    compressed,
    corrupt,
    header,
    loose,
    picture,
    raw,
    reds,
    said,
    write_bag,
    wrong_checksum,
)


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_bag_becomes_an_episode_of_its_camera(tmp_path: Path, storage: str) -> None:
    joints = STORE.types[JOINTS](header(), ["a"], np.ones(1), np.ones(1), np.ones(1))
    records = [*clip(7), ("/joint_states", joints, 0.05), ("/instruction", said("push"), 0.0)]
    write_bag(tmp_path / "run1", sorted(records, key=lambda r: r[2]), storage)
    for root in (tmp_path, tmp_path / "run1"):
        assert is_bag(root)
        dataset = read_bags(root)
        (episode,) = dataset.episodes
        assert (episode.name, episode.frame_count, episode.instruction) == ("run1", 7, "push")
        assert episode.fps == pytest.approx(10.0)
        assert episode.steps is None and dataset.robot is None
        frames = list(episode.video.read())
        np.testing.assert_array_equal(frames, [picture(i) for i in range(7)])


def test_every_bag_of_a_folder_is_read_once(tmp_path: Path) -> None:
    write_bag(tmp_path / "day1/b", clip(3))
    write_bag(tmp_path / "day1/a", clip(4), "SQLITE3")
    loose(tmp_path / "c.mcap", clip(5))
    write_bag(tmp_path / ".trash", clip(6))
    counts = {e.name: e.frame_count for e in read_bags(tmp_path).episodes}
    assert counts == {"c": 5, "day1/a": 4, "day1/b": 3}


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_one_file_is_a_bag(tmp_path: Path, suffix: str) -> None:
    folder = write_bag(tmp_path / "run", clip(4), "MCAP" if suffix == ".mcap" else "SQLITE3")
    path = folder / f"run{suffix}"
    assert is_bag(path)
    dataset = read_bags(path)
    assert (dataset.episodes[0].name, reds(dataset)) == ("run", [0, 1, 2, 3])


def test_other_folders_are_not_bags(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("camera: front\n")
    (tmp_path / "a.mp4").touch()
    assert not is_bag(tmp_path)
    assert not is_bag(tmp_path / "a.mp4")
    assert not is_bag(tmp_path / "none")
    with pytest.raises(DataError, match=r"it holds none; \.mcap, \.db3 files and folders with"):
        read_bags(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        read_bags(tmp_path / "none")


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [
        ("rgb8", [0, 1, 2]),
        ("bgr8", [2, 1, 0]),
        ("rgba8", [0, 1, 2, 1]),
        ("bgra8", [2, 1, 0, 1]),
        ("mono8", [0]),
    ],
)
def test_raw_encodings_become_rgb(
    tmp_path: Path, encoding: str, channels: list[int], padding: int
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    records = [
        (CAMERA, raw(frame[:, :, channels], encoding, padding), i / 10)
        for i, frame in enumerate(frames)
    ]
    (episode,) = read_bags(write_bag(tmp_path / "run", records)).episodes
    expected = frames if encoding != "mono8" else frames[..., [0, 0, 0]]
    np.testing.assert_array_equal(list(episode.video.read()), expected)


def test_compressed_images_become_rgb(tmp_path: Path) -> None:
    records = [("/cam/compressed", compressed(picture(i), "png"), i / 10) for i in range(3)]
    (episode,) = read_bags(write_bag(tmp_path / "png", records)).episodes
    np.testing.assert_array_equal(list(episode.video.read()), [picture(i) for i in range(3)])
    records = [("/cam/compressed", compressed(picture(i), "jpeg"), i / 10) for i in range(3)]
    (episode,) = read_bags(write_bag(tmp_path / "jpeg", records)).episodes
    np.testing.assert_allclose(list(episode.video.read())[2], picture(2), atol=4)


def test_camera_is_chosen_by_topic(tmp_path: Path) -> None:
    two = [*clip(3, topic="/wrist/image"), *clip(4, topic="/front/image")]
    write_bag(tmp_path / "run", sorted(two, key=lambda r: r[2]))
    assert read_bags(tmp_path).episodes[0].frame_count == 4
    chosen = read_bags(tmp_path, camera="/wrist/image").episodes[0]
    assert chosen.frame_count == 3
    assert chosen.video.stamp() != read_bags(tmp_path).episodes[0].video.stamp()
    with pytest.raises(
        ConfigError, match=r"camera: no bag has topic /top; .*/front/image or /wrist"
    ):
        read_bags(tmp_path, camera="/top")


def test_bag_without_the_chosen_camera_is_skipped(tmp_path: Path) -> None:
    write_bag(tmp_path / "a", clip(3, topic="/front"))
    write_bag(tmp_path / "b", clip(3, topic="/wrist"))
    dataset = read_bags(tmp_path, camera="/front", max_damaged=0.5)
    assert [e.name for e in dataset.episodes] == ["a"]
    assert (
        "bag " in dataset.skipped[0]
        and "expected image topic /front, got /wrist" in (dataset.skipped[0])
    )


def test_instruction_comes_from_a_topic_or_the_file_beside(tmp_path: Path) -> None:
    words = [("/arm/instruction", said(" pull "), 0.1), ("/task", said("lift"), 0.2)]
    write_bag(tmp_path / "a", [*clip(2), *words])
    write_bag(tmp_path / "b", [*clip(2), *words, ("/instruction", said("push"), 0.3)])
    write_bag(tmp_path / "c", clip(2))

    def texts(**options: Any) -> list[str]:
        return [e.instruction for e in read_bags(tmp_path, **options).episodes]

    assert texts() == ["pull", "push", ""]
    assert texts(instruction_topic="/task") == ["lift", "lift", ""]
    with pytest.raises(ConfigError, match=r"instruction_topic: no bag has topic /say; .*/task"):
        texts(instruction_topic="/say")
    write_instructions(tmp_path, {"b": "turn", "c": "stop"})
    assert texts() == ["pull", "turn", "stop"]


def test_looking_at_the_times_reads_the_index_and_not_the_images(tmp_path: Path) -> None:
    path = loose(tmp_path / "run.mcap", clip(12))
    wrong_checksum(path)
    with opened_bag(path) as bag:
        times = bag.log_times(CAMERA)
        np.testing.assert_allclose((times - START_NS) / 1e9, np.arange(12) / 10)
        with pytest.raises(DataError, match="Chunk checksum mismatch"):
            next(bag.messages(CAMERA))


def test_bag_without_an_index_is_read_from_front_to_back(tmp_path: Path) -> None:
    path = loose(tmp_path / "run.mcap", clip(6))
    # The footer's first number is where the summary lies; 0 says that there is none.
    corrupt(path, path.stat().st_size - 8 - 20, bytes(16))
    dataset = read_bags(tmp_path)
    assert reds(dataset) == list(range(6))


def test_missing_library_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bag(tmp_path / "run", clip())
    monkeypatch.setitem(sys.modules, "rosbags.rosbag2", None)
    assert is_bag(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lapa-edge\[bags\]'"):
        read_bags(tmp_path)
