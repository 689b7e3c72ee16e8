"""A small recording: a camera that sees it get brighter, three still joints, and commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags import rosbag2
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000  # long ago: the player must stamp anew
CAMERA, JOINTS, COMMANDS = "/camera/image_raw", "/joint_states", "/demonstrated"
JOINT_NAMES, POSITIONS = ("joint_0", "joint_1", "joint_2"), (0.1, 0.2, 0.3)
HZ, SECONDS, SIZE = 20.0, 2.0, (24, 32)


def frames() -> list[np.ndarray]:
    """u8 [h, w, 3] each; black at first, white at last."""
    levels = np.linspace(0, 255, round(HZ * SECONDS)).astype(np.uint8)
    return [np.full((*SIZE, 3), level) for level in levels]


def write_bag(path: Path, actions: Sequence[Sequence[float]], *, compressed: bool = False) -> Path:
    """A rosbag2 folder with an MCAP file: one image, measurement and action at 20 Hz each."""
    image = _compressed if compressed else _raw
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        topics: dict[str, Any] = {}
        for i, (frame, action) in enumerate(zip(frames(), actions, strict=True)):
            for topic, message in (
                (CAMERA, image(frame)), (JOINTS, _joints()), (COMMANDS, _command(action))
            ):  # fmt: skip
                kind = message.__msgtype__
                if topic not in topics:
                    topics[topic] = writer.add_connection(topic, kind, typestore=STORE)
                data = STORE.serialize_cdr(message, kind)
                writer.write(topics[topic], START_NS + round(i / HZ * 1e9), data)
    return path


def _header() -> Any:
    stamp = STORE.types["builtin_interfaces/msg/Time"](START_NS // 10**9, 0)
    return STORE.types["std_msgs/msg/Header"](stamp, "camera")


def _raw(frame: np.ndarray) -> Any:
    height, width = SIZE
    kind = STORE.types["sensor_msgs/msg/Image"]
    return kind(_header(), height, width, "rgb8", 0, width * 3, frame.reshape(-1))


def _compressed(frame: np.ndarray) -> Any:
    import cv2

    _, data = cv2.imencode(".png", frame)  # grey: red and blue may change places
    return STORE.types["sensor_msgs/msg/CompressedImage"](_header(), "png", data.reshape(-1))


def _joints() -> Any:
    none = np.zeros(0)
    kind = STORE.types["sensor_msgs/msg/JointState"]
    return kind(_header(), list(JOINT_NAMES), np.array(POSITIONS), none, none)


def _command(action: Sequence[float]) -> Any:
    layout = STORE.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    return STORE.types["std_msgs/msg/Float64MultiArray"](layout, np.array(action, np.float64))
