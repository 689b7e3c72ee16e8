"""What a LeRobot dataset says, read: frames, steps, names, splits, cameras."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.lerobot.reader import is_lerobot, read_lerobot
from lapa_edge.errors import ConfigError, DataError

from .files import (
    BOTH,
    FPS,
    LENGTHS,
    TOP,
    VERSIONS,
    WRIST,
    action,
    data_file,
    edit_json,
    edit_table,
    frame,
    png,
    write_lerobot,
)


@BOTH
def test_frames_steps_and_instructions_are_read(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    assert is_lerobot(root)
    dataset = read_lerobot(root, split="all")
    assert [e.name for e in dataset.episodes] == [f"episode_{e:06d}" for e in range(4)]
    assert [e.instruction for e in dataset.episodes] == ["task 0", "task 1", "task 0", "task 1"]
    for e, episode in enumerate(dataset.episodes):
        frames = np.stack(list(episode.video.read()))
        assert (episode.frame_count, episode.fps) == (LENGTHS[e], FPS) == (len(frames), FPS)
        for t, one in enumerate(frames):  # four grey levels apart: a neighbour's would show
            assert abs(one.mean() - frame(e, t).mean()) < 1.5
        assert episode.steps is not None
        np.testing.assert_array_equal(episode.steps.action, action(e))
        np.testing.assert_array_equal(episode.steps.state[:, 0], np.arange(LENGTHS[e]))
        np.testing.assert_array_equal(episode.step_frames(), np.arange(LENGTHS[e]))


@BOTH
def test_names_come_from_info_and_limits_from_the_statistics(tmp_path: Path, version: str) -> None:
    robot = read_lerobot(write_lerobot(tmp_path, version)).robot
    assert robot is not None
    assert (robot.control_hz, robot.state_names) == (FPS, ("lift",))
    assert robot.action_names == ("action_0", "action_1")
    # Stop is 0, and must be within the limits.
    np.testing.assert_allclose(robot.action_low, [-3.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(robot.action_high, [0.5, 0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["a", "b"], ("a", "b")),
        ({"motors": ["a", "b"]}, ("a", "b")),
        ({"arm": ["a"], "hand": ["b"]}, ("a", "b")),
        ({"b": 1, "a": 0}, ("a", "b")),
        (["only one"], ("action_0", "action_1")),
    ],
)
def test_all_ways_of_naming_are_read(tmp_path: Path, names: Any, read: tuple[str, ...]) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    features = json.loads((root / "meta/info.json").read_text())["features"]
    features["action"]["names"] = names
    edit_json(root / "meta/info.json", features=features)
    robot = read_lerobot(root).robot
    assert robot is not None
    assert robot.action_names == read


@BOTH
def test_without_statistics_limits_come_from_the_data(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    stats = "stats.json" if version == "v3.0" else "episodes_stats.jsonl"
    (root / "meta" / stats).unlink()
    robot = read_lerobot(root).robot
    assert robot is not None
    np.testing.assert_allclose(robot.action_low, [-2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(robot.action_high, [0.5, 0.5], atol=1e-6)


@BOTH
def test_dataset_without_actions_is_unlabelled_video(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    features = json.loads((root / "meta/info.json").read_text())["features"]
    del features["action"]
    edit_json(root / "meta/info.json", features=features)
    dataset = read_lerobot(root)
    assert (len(dataset.episodes), len(dataset.labelled.episodes), dataset.robot) == (3, 0, None)


def test_late_timestamp_of_float32_keeps_its_frame(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    times = (1000.1 + np.arange(9) / FPS).astype(np.float32)
    edit_table(data_file(root, "v2.1", 1), timestamp=times)
    steps = read_lerobot(root).episodes[1].steps
    assert steps is not None
    np.testing.assert_array_equal(steps.time_s, np.arange(9) / FPS)


@BOTH
def test_splits_are_kept_apart(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    assert [e.name for e in read_lerobot(root, split="val").episodes] == ["episode_000003"]
    assert len(read_lerobot(root, split="train").episodes) == 3
    with pytest.raises(ConfigError, match=r"expected one of train, validation, all.* got test"):
        read_lerobot(root, split="test")
    edit_json(root / "meta/info.json", splits={})
    assert len(read_lerobot(root, split="train").episodes) == 4
    edit_json(root / "meta/info.json", splits={"train": "a:b"})
    with pytest.raises(DataError, match="split train: expected start:end, got a:b"):
        read_lerobot(root)


@BOTH
@pytest.mark.parametrize("kind", ["video", "image"])
def test_camera_is_chosen_by_key_or_its_last_part(tmp_path: Path, version: str, kind: str) -> None:
    root = write_lerobot(tmp_path, version, {TOP: "video", WRIST: kind})
    for camera, key in (("", TOP), ("top", TOP), ("wrist", WRIST), (WRIST, WRIST)):
        for e, episode in enumerate(read_lerobot(root, camera=camera).episodes):
            frames = list(episode.video.read())
            assert len(frames) == LENGTHS[e]
            for t, one in enumerate(frames):
                error = 0 if (key, kind) == (WRIST, "image") else 1.5
                assert np.abs(one.mean() - frame(e, t, key).mean()) <= error
    with pytest.raises(ConfigError, match=f"expected one of {TOP}, {WRIST}, got side"):
        read_lerobot(root, camera="side")


def test_image_without_bytes_is_read_from_its_path(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v2.1", {TOP: "image"})
    path = data_file(root, "v2.1", 0)
    (root / "images").mkdir()
    for t in range(LENGTHS[0]):
        (root / f"images/{t}.png").write_bytes(png(frame(0, t)))
    rows = [{"bytes": None, "path": f"images/{t}.png"} for t in range(LENGTHS[0])]
    edit_table(path, **{TOP: rows})
    np.testing.assert_array_equal(
        np.stack(list(read_lerobot(root).episodes[0].video.read())),
        np.stack([frame(0, t) for t in range(LENGTHS[0])]),
    )
    for damaged, problem in (
        ({"bytes": None, "path": "images/none.png"}, "none.png: cannot be read"),
        ({"bytes": None, "path": "../../secret.png"}, "leads out of the dataset"),
        ({"bytes": None, "path": None}, "row 1: expected .bytes, path., got neither"),
        ({"bytes": b"\x89PNG", "path": None}, "row 1: not a"),
    ):
        edit_table(path, **{TOP: [rows[0], damaged, *rows[2:]]})
        with pytest.raises(DataError, match=problem):
            list(read_lerobot(root).episodes[0].video.read())


@BOTH
def test_real_dataset_agrees_with_what_lerobot_read(shared_data: Path, version: str) -> None:
    root = shared_data / f"lerobot_{version}"
    dataset = read_lerobot(root)
    expected = json.loads((root / "expected.json").read_text())
    assert len(dataset.episodes) == len(expected) == 12
    assert dataset.skipped == ()
    for episode, one in zip(dataset.episodes, expected, strict=True):
        frames = list(episode.video.read())
        assert len(frames) == episode.frame_count == one["length"]
        assert episode.instruction == one["instruction"]
        np.testing.assert_allclose(frames[0].mean((0, 1)), one["mean_rgb_first"], atol=1.5)
        assert episode.steps is not None
        np.testing.assert_allclose(episode.steps.action[0], one["first_action"])
        np.testing.assert_allclose(episode.steps.state[-1], one["last_state"])
        np.testing.assert_array_equal(episode.step_frames(), np.arange(one["length"]))
    assert dataset.robot is not None
    assert dataset.robot.action_names == ("dx", "dy")


def test_real_versions_hold_the_same_frames(shared_data: Path) -> None:
    two, three = (read_lerobot(shared_data / f"lerobot_{v}") for v in VERSIONS)
    for one, other in zip(two.episodes, three.episodes, strict=True):
        a, b = (np.stack(list(e.video.read())).astype(np.float32) for e in (one, other))
        # Each was encoded on its own; two different scenes are some ten levels apart.
        assert np.abs(a - b).mean((1, 2, 3)).max() < 3.0
    assert two.robot == three.robot


def test_unreadable_folder_is_no_lerobot_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", refuse)
    assert not is_lerobot(tmp_path)


def test_a_robot_json_beside_the_data_says_what_its_actions_are(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, VERSIONS[0])
    found = read_dataset(root).robot
    assert found is not None
    told = replace(found, action_kinds=("delta", "gripper"), action_stop=(0.0, 0.25))
    (root / "robot.json").write_bytes(msgspec.json.encode(told))
    assert read_dataset(root).robot == told
    other = replace(told, action_names=("action_0", "wrist"))
    (root / "robot.json").write_bytes(msgspec.json.encode(other))
    with pytest.raises(DataError, match="action_names: expected action_0, action_1 as in the data"):
        read_dataset(root)
