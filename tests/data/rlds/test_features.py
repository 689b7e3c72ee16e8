from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.rlds.reader import read_rlds
from lapa_edge.errors import ConfigError, DataError

from .datasets import (
    T,
    features,
    frame,
    image,
    tensor,
    write_dataset,
    write_features_json,
)
from .tfrecords import encode_jpeg, encode_png


def test_language_table_is_read(tmp_path: Path) -> None:
    codes = np.zeros((T, 512), dtype=np.int64)
    text = "push the blue cube to the café".encode()
    codes[:, : len(text)] = list(text)
    episode = features(
        action=np.arange(2 * T, dtype=np.float32),
        language_instruction=None,
        **{
            "observation/image_0": None,
            "observation/state": None,
            "observation/rgb": [encode_jpeg(frame(i)) for i in range(T)],
            "observation/instruction": codes.ravel(),
            "observation/effector_translation": np.arange(2 * T, dtype=np.float32) / 10,
            "observation/effector_target_translation": np.ones(2 * T, dtype=np.float32),
        },
    )
    folder = tmp_path / "0.0.1"
    write_dataset(folder, [episode], name="language_table_sim")
    for described in (False, True):
        if described:
            write_features_json(
                folder,
                {
                    "action": tensor("float32", 2),
                    "is_last": tensor("bool"),
                    "observation/rgb": image(360, 640, 3),
                    "observation/instruction": tensor("int32", 512),
                    "observation/effector_translation": tensor("float32", 2),
                    "observation/effector_target_translation": tensor("float32", 2),
                },
            )
        dataset = read_rlds(tmp_path)
        (first,) = dataset.episodes
        assert first.instruction == "push the blue cube to the café"
        assert first.fps == 10.0
        assert first.steps is not None
        np.testing.assert_allclose(first.steps.state[1], [0.2, 0.3])
        np.testing.assert_array_equal(first.steps.action[1], [2, 3])
        assert dataset.robot is not None
        assert dataset.robot.state_names == ("effector_translation_0", "effector_translation_1")


def test_action_of_several_tensors_is_joined_by_name(tmp_path: Path) -> None:
    numbers = np.arange(T, dtype=np.float32)
    episode = features(
        action=None,
        **{
            "action/world_vector": np.arange(3 * T, dtype=np.float32),
            "action/open_gripper": np.array([1, 0] * T)[:T],
            "action/terminate_episode": np.zeros(3 * T, dtype=np.int64),
            "observation/state": None,
            "observation/gripper_closed": numbers,
            "observation/base_pose": np.arange(7 * T, dtype=np.float32),
            "observation/natural_language_embedding": np.zeros(512 * T, dtype=np.float32),
            "observation/natural_language_instruction": [b"pick apple"] * T,
            "language_instruction": None,
        },
    )
    write_dataset(tmp_path, [episode])
    dataset = read_rlds(tmp_path)
    assert dataset.robot is not None
    assert dataset.robot.action_names == (
        "open_gripper",
        *(f"world_vector_{i}" for i in range(3)),
    )
    assert dataset.robot.state_names == (*(f"base_pose_{i}" for i in range(7)), "gripper_closed")
    (first,) = dataset.episodes
    assert first.instruction == "pick apple"
    assert first.steps is not None
    np.testing.assert_array_equal(first.steps.action[1], [0, 3, 4, 5])
    np.testing.assert_array_equal(first.steps.state[2], [*range(14, 21), 2])


def test_first_camera_is_the_documented_one_and_no_depth_map(tmp_path: Path) -> None:
    depth = [encode_png(np.full((12, 16), 300, dtype=np.uint16))] * T
    cameras = {
        "observation/image_0": None,
        "observation/a_depth": depth,
        "observation/hand": [encode_png(frame(1))] * T,
        "observation/rgb": [encode_png(frame(2))] * T,
    }
    write_dataset(tmp_path, [features(**cameras)])
    for described in (False, True):
        if described:
            write_features_json(
                tmp_path,
                {
                    "observation/a_depth": image(12, 16, 1, dtype="uint16"),
                    "observation/hand": image(12, 16, 3),
                    "observation/rgb": image(-1, -1, 3),
                },
            )
        assert next(read_rlds(tmp_path).episodes[0].video.read())[0, 0, 0] == 25
        assert next(read_rlds(tmp_path, camera="hand").episodes[0].video.read())[0, 0, 0] == 15
        with pytest.raises(ConfigError, match="camera: expected one of hand, rgb, got a_depth"):
            read_rlds(tmp_path, camera="a_depth")


def test_dataset_without_images_lists_what_it_has(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features(**{"observation/image_0": None})])
    listed = "steps/action, steps/is_last, steps/language_instruction, steps/observation/state"
    with pytest.raises(DataError, match=rf"expected a colour image .*, got {listed}; RLDS keeps"):
        read_rlds(tmp_path)
    write_features_json(tmp_path, {"action": tensor("float32", 3)})
    with pytest.raises(DataError, match=r"expected a colour image .*, got steps/action;"):
        read_rlds(tmp_path)


def test_dataset_without_actions_is_video(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features(action=None)])
    dataset = read_rlds(tmp_path)
    assert dataset.episodes[0].steps is None
    assert dataset.robot is None


def test_action_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    write_dataset(tmp_path, [features(action=[b"zipped"] * T)])
    with pytest.raises(DataError, match="steps/action: expected plain numbers"):
        read_rlds(tmp_path)
    leaves = {"observation/image_0": image(12, 16, 3), "action": tensor("float32", -1)}
    write_features_json(tmp_path, leaves)
    with pytest.raises(DataError, match="steps/action: expected plain numbers"):
        read_rlds(tmp_path)
