"""What a replay reads from a bag: which topics it plays, and the actions that were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import TwistStamped
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from lapa_edge.data.bags.file import Bag
from lapa_edge.errors import ConfigError
from lapa_edge_ros.replay_compare import Actions, collect_actions

IMAGES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
JOINTS = {"sensor_msgs/msg/JointState": JointState}
COMMANDS = {
    "geometry_msgs/msg/TwistStamped": TwistStamped,
    "trajectory_msgs/msg/JointTrajectory": JointTrajectory,
    "std_msgs/msg/Float64MultiArray": Float64MultiArray,
}
TWIST = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in "xyz")


@dataclass(frozen=True)
class Topics:
    """What is played, and what is compared with; joint_states is empty where the bag has none."""

    image: str
    joint_states: str
    actions: str


def choose_topics(bag: Bag, image: str, joint_states: str, actions: str) -> Topics:
    """The topics that were asked for; the first by name of a fitting type where none was.

    Raises:
        ConfigError: the bag has no such topic, or one of another type.
    """
    # A leader arm's joint states are commands too, but only where one says so.
    commands = [*COMMANDS, *JOINTS] if actions else list(COMMANDS)
    states = joint_states or next(
        (topic for topic in bag.topics(*JOINTS) if topic.endswith("joint_states")), ""
    )
    return Topics(
        image=_choose("image", image, bag.topics(*IMAGES), IMAGES),
        joint_states=_choose("joint_states", states, bag.topics(*JOINTS), JOINTS) if states else "",
        actions=_choose("actions", actions, bag.topics(*commands), commands),
    )


def read_actions(bag: Bag, topic: str) -> Actions:
    """The recorded actions, timed from the bag's first message.

    Raises:
        DataError: none, a damaged one, or dimensions that change on the way.
    """
    series = []
    for time_ns, _, kind, data in bag.records(topic):
        message = deserialize_message(data, {**COMMANDS, **JOINTS}[kind])
        series.append(((time_ns - bag.reader.start_time) / 1e9, *action_of(message)))
    return collect_actions(topic, series)


def action_of(message: Any) -> tuple[tuple[str, ...], Sequence[float]]:
    """Names and values of a command; of a trajectory its first point.

    A Float64MultiArray has names where its one dimension is labelled with as many, as the node
    labels it.
    """
    if isinstance(message, TwistStamped):
        parts = (message.twist.linear, message.twist.angular)
        return TWIST, [getattr(part, axis) for part in parts for axis in "xyz"]
    if isinstance(message, JointTrajectory):
        point = message.points[0] if message.points else None
        return tuple(message.joint_names), list(point.positions) if point else []
    if isinstance(message, JointState):
        return tuple(message.name), list(message.position)
    label = message.layout.dim[0].label if message.layout.dim else ""
    names = tuple(label.split(",")) if label else ()
    return names if len(names) == len(message.data) else (), list(message.data)


def _choose(flag: str, wanted: str, fitting: list[str], types: Any) -> str:
    if wanted in fitting or (fitting and not wanted):
        return wanted or fitting[0]
    raise ConfigError(
        flag,
        f"expected a topic of the bag of type {' or '.join(types)}, got {wanted or 'none'}",
        f"use {' or '.join(fitting)}" if fitting else "record one",
    )
