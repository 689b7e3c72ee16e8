"""A small recording: a camera that sees it get brighter, three still joints, and commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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


def write_bag(path: Path, actions: Sequence[Sequence[float]]) -> Path:
    """A rosbag2 folder with an MCAP file: one image, measurement and action at 20 Hz each."""
    types = STORE.types
    stamp = types["builtin_interfaces/msg/Time"](START_NS // 10**9, 0)
    header = types["std_msgs/msg/Header"](stamp, "camera")
    layout = types["std_msgs/msg/MultiArrayLayout"]([], 0)
    image, joints, command = (
        types[f"{kind}"]
        for kind in (
            "sensor_msgs/msg/Image", "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray"
        )
    )  # fmt: skip
    none = np.zeros(0)
    height, width = SIZE
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        topics = {
            topic: writer.add_connection(topic, kind.__msgtype__, typestore=STORE)
            for topic, kind in ((CAMERA, image), (JOINTS, joints), (COMMANDS, command))
        }
        for i, (frame, action) in enumerate(zip(frames(), actions, strict=True)):
            messages = {
                CAMERA: image(header, height, width, "rgb8", 0, width * 3, frame.reshape(-1)),
                JOINTS: joints(header, list(JOINT_NAMES), np.array(POSITIONS), none, none),
                COMMANDS: command(layout, np.array(action, np.float64)),
            }
            for topic, message in messages.items():
                data = STORE.serialize_cdr(message, message.__msgtype__)
                writer.write(topics[topic], START_NS + round(i / HZ * 1e9), data)
    return path
