from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.rlds import reader
from lapa_edge.data.rlds.reader import is_rlds, read_rlds
from lapa_edge.errors import ConfigError, DataError

from .datasets import T, features, frame, write_dataset

BRIDGE = "bridge_rlds"


def test_real_bridge_shard_is_read(shared_data: Path) -> None:
    assert is_rlds(shared_data / BRIDGE)
    dataset = read_rlds(shared_data / BRIDGE)
    assert [e.frame_count for e in dataset.episodes] == [10] * 25
    assert [e.fps for e in dataset.episodes] == [5.0] * 25
    first = dataset.episodes[0]
    assert first.name == "bridge_dataset-train-00000-00000"
    assert first.instruction == "put cup from counter or drying rack into sink"
    assert first.steps is not None
    assert first.steps.state.shape == first.steps.action.shape == (10, 7)
    np.testing.assert_allclose(first.steps.time_s, np.arange(10) / 5)
    np.testing.assert_allclose(first.steps.state[0, :2], [0.23381479, 0.11244296], atol=1e-7)
    np.testing.assert_allclose(first.steps.action[1, 3:5], [0.0338178, -0.0145940], atol=1e-6)
    assert dataset.robot is not None
    assert dataset.robot.action_names == tuple(f"action_{i}" for i in range(7))
    assert not dataset.skipped


def test_real_cameras_are_chosen_by_name(shared_data: Path) -> None:
    means = {}
    for camera in ("", "image_0", "image_1", "image_2", "image_3"):
        first = read_rlds(shared_data / BRIDGE, camera=camera).episodes[0]
        frames = np.stack(list(first.video.read()))
        assert frames.shape == (10, 64, 64, 3)
        assert frames.dtype == np.uint8
        means[camera] = frames.mean()
    assert means[""] == means["image_0"]
    assert means["image_3"] == 0  # an absent camera is black
    assert len(set(means.values())) == 4
    with pytest.raises(ConfigError, match="expected one of image_0, image_1, image_2, image_3, go"):
        read_rlds(shared_data / BRIDGE, camera="wrist")


def test_records_tell_the_features_where_no_file_does(shared_data: Path, tmp_path: Path) -> None:
    shutil.copy(next((shared_data / BRIDGE).glob("*.tfrecord*")), tmp_path)
    told, found = read_rlds(shared_data / BRIDGE), read_rlds(tmp_path)
    assert found.robot == told.robot
    for a, b in zip(told.episodes, found.episodes, strict=True):
        assert (a.name, a.instruction, a.frame_count) == (b.name, b.instruction, b.frame_count)
        assert a.steps is not None and b.steps is not None
        np.testing.assert_array_equal(a.steps.action, b.steps.action)


def test_frames_come_back_as_written(tmp_path: Path) -> None:
    shard = write_dataset(tmp_path, [features(3), features(T)])
    source = read_rlds(tmp_path).episodes[1].video
    frames = list(source.read())
    np.testing.assert_array_equal(frames, [frame(i) for i in range(T)])
    assert str(source) == f"shard {shard}, record 1"
    stamp = source.stamp()
    write_dataset(tmp_path, [features(3)])
    assert source.stamp() != stamp
    with pytest.raises(DataError, match="record 1: cut"):
        list(source.read())


def test_last_step_has_a_frame_but_no_action(tmp_path: Path) -> None:
    # What stands there may be anything, even no number.
    action = np.zeros((T, 3), dtype=np.float32)
    action[-1] = np.nan
    write_dataset(tmp_path, [features(action=action.ravel()), features(), features(1)])
    first, second, single = read_rlds(tmp_path).episodes
    assert first.frame_count == T
    assert first.steps is not None and len(first.steps) == T - 1
    assert second.steps is not None
    np.testing.assert_array_equal(second.steps.state, np.arange(2 * T - 2).reshape(-1, 2))
    assert single.frame_count == 1
    assert single.steps is None


def test_every_step_counts_where_none_is_marked_last(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features(is_last=None)])
    steps = read_rlds(tmp_path).episodes[0].steps
    assert steps is not None and len(steps) == T


def test_limits_hold_all_actions_and_zero(tmp_path: Path) -> None:
    action = np.tile(np.array([[0.0, 2.0, -4.0]], dtype=np.float32), (T, 1))
    action[0, 2] = -2
    write_dataset(tmp_path, [features(action=action.ravel())])
    robot = read_rlds(tmp_path).robot
    assert robot is not None
    np.testing.assert_allclose(robot.action_low, [-1e-6, -0.02, -4.04])
    np.testing.assert_allclose(robot.action_high, [1e-6, 2.02, 0.04])
    assert robot.control_hz == 5.0


def test_unknown_frame_rate_has_to_be_given(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features()], name="kitchen")
    with pytest.raises(ConfigError, match=r"fps: RLDS does not store .* known by name \(bridge, "):
        read_rlds(tmp_path)
    dataset = read_rlds(tmp_path, fps=7.0)
    assert dataset.fps == {"kitchen-train-00000-00000": 7.0}
    assert dataset.robot is not None and dataset.robot.control_hz == 7.0
    with pytest.raises(ConfigError, match="fps: expected more than 0, got nan"):
        read_rlds(tmp_path, fps=float("nan"))
    (tmp_path / "dataset_info.json").write_text('{"name": "fractal20220817_data"}')
    assert read_rlds(tmp_path).episodes[0].fps == 3.0


def test_splits_are_told_by_the_shards_names(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features()] * 3)
    with pytest.raises(ConfigError, match=r"no shards of val; splits there: train$"):
        read_rlds(tmp_path, split="val")
    write_dataset(tmp_path, [features()] * 2, "test")
    assert len(read_rlds(tmp_path, split="val").episodes) == 2
    write_dataset(tmp_path, [features()], "validation")
    assert len(read_rlds(tmp_path, split="val").episodes) == 1
    assert len(read_rlds(tmp_path, split="train").episodes) == 3
    assert len(read_rlds(tmp_path, split="all").episodes) == 6
    with pytest.raises(ConfigError, match="expected one of train, val, all, got test"):
        read_rlds(tmp_path, split="test")


def test_shards_without_a_split_are_read_as_train(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features()]).rename(tmp_path / "mine.tfrecord")
    assert [e.name for e in read_rlds(tmp_path, fps=5.0).episodes] == ["mine-00000"]


def test_frame_rate_is_known_by_the_folder_where_shards_have_no_name(tmp_path: Path) -> None:
    for folder in (tmp_path / "language_table_blocks" / "0.0.1", tmp_path / "language_table"):
        path = write_dataset(folder, [features()])
        path.rename(folder / "train-00000-of-00001.tfrecord")
        assert read_rlds(folder).fps == {"train-00000-00000": 10.0}


def test_folder_of_a_version_is_found_and_two_are_not_guessed(tmp_path: Path) -> None:
    assert not is_rlds(tmp_path) and not is_rlds(tmp_path / "absent")
    (tmp_path / "a.mp4").touch()
    (tmp_path / ".b.tfrecord").touch()
    assert not is_rlds(tmp_path) and not is_rlds(tmp_path / "a.mp4")
    with pytest.raises(DataError, match="no TFRecord shards"):
        read_rlds(tmp_path)
    write_dataset(tmp_path / "1.0.0", [features()])
    assert is_rlds(tmp_path) and len(read_rlds(tmp_path).episodes) == 1
    write_dataset(tmp_path / "2.0.0", [features()])
    assert is_rlds(tmp_path)
    with pytest.raises(DataError, match=r"it holds the versions 1\.0\.0, 2\.0\.0; pass one"):
        read_rlds(tmp_path)


def test_long_reading_shows_a_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path, [features()])
    read_rlds(tmp_path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(reader, "LONG_BYTES", 0)
    read_rlds(tmp_path)
    assert "read episodes (MB)" in capsys.readouterr().err


def test_sample_of_the_shards_is_read_and_said(tmp_path: Path) -> None:
    shard = write_dataset(tmp_path, [features()] * 2)
    shard.rename(tmp_path / "bridge_small-train.tfrecord-00003-of-00010")
    dataset = read_rlds(tmp_path)
    assert len(dataset.episodes) == 2
    assert dataset.skipped == ("bridge_small-train: only 1 of its 10 shards are here",)


def test_promised_episodes_that_are_not_there_are_named(tmp_path: Path) -> None:
    shard = write_dataset(tmp_path, [features()] * 4)
    info = {"name": "bridge", "splits": [{"name": "train", "shardLengths": ["6"]}]}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    (line,) = read_rlds(tmp_path, max_damaged=0.2).skipped
    assert line == f"shard {shard}: 4 of the 6 episodes of dataset_info.json"
    shard.write_bytes(shard.read_bytes()[:-1])
    (line,) = read_rlds(tmp_path, max_damaged=0.25).skipped
    assert "record 3: cut short" in line
    assert line.endswith("(3 of its 6 episodes)")
