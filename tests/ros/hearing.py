"""Commands as a driver hears them: what, and when it reached this machine's DDS."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

TYPES = {
    "twist": TwistStamped,
    "joint_trajectory": JointTrajectory,
    "joint_command": Float64MultiArray,
}


@dataclass(frozen=True, eq=False)
class Heard:
    """One command. Times are monotonic seconds; action: every number of it that can move a robot.

    sent_s: when the node wrote it; arrived_s: when it was received, before Python knew of it.
    """

    sent_s: float
    arrived_s: float
    action: tuple[float, ...]
    message: Any

    @property
    def moves(self):
        """Whether a robot that is told velocities would move."""
        return any(self.action)


def hear(message, info):
    """The command of a callback's message and its message info."""
    # The middleware notes wall time; this is what the wall says at the monotonic clock's zero.
    zero_s = time.time() - time.monotonic()
    sent_s, arrived_s = (info[key] * 1e-9 - zero_s for key in _STAMPS)
    return Heard(sent_s, arrived_s, numbers(message), message)


def numbers(message):
    """Every number of a command that can move a robot."""
    if isinstance(message, Float64MultiArray):
        return tuple(message.data)
    if isinstance(message, JointTrajectory):
        return tuple(x for point in message.points for x in (*point.positions, *point.velocities))
    linear, angular = message.twist.linear, message.twist.angular
    return (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)


_STAMPS = ("source_timestamp", "received_timestamp")
