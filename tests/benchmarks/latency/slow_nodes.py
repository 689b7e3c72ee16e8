"""A process that drives, with a policy that takes longer: python slow_nodes.py DESIGN POLICY_MS ...

DESIGN is "node", the package's own, or "callback", what one writes first: the policy runs where the
image arrives, commands come from a timer, one executor serves both.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import rclpy
from lapa_edge_ros.image import image_view
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray

from lapa_edge.artifact import load_bundle
from lapa_edge.runtime.policy import Policy
from lapa_edge.runtime.session import Session


def slow_down(policy_s):
    """Every look takes this much longer, as on an accelerator: the processor is free meanwhile."""
    look = Policy.look

    def slow_look(*arguments, **named):
        latent = look(*arguments, **named)
        time.sleep(policy_s)
        return latent

    Policy.look = slow_look


class CallbackNode(Node):
    """Inference in the image's callback, commands from a timer."""

    def __init__(self):
        super().__init__("policy")
        for name, value in (("model_path", ""), ("instruction", ""), ("control_rate", 100.0)):
            self.declare_parameter(name, value)
        bundle = load_bundle(Path(self.get_parameter("model_path").value))
        self._session = Session(bundle, self.get_parameter("instruction").value)
        self._state = None
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._command = self.create_publisher(Float64MultiArray, "command", 1)
        self.create_subscription(Image, "image", self._look, newest)
        self.create_subscription(JointState, "joint_states", self._note, newest)
        self.create_timer(1 / self.get_parameter("control_rate").value, self._act)

    def _look(self, message):
        self._session.accept(self._session.look(image_view(message), time.monotonic()))

    def _note(self, message):
        self._state = np.array(message.position, np.float32)

    def _act(self):
        if self._state is not None:
            command = self._session.act(self._state, time.monotonic())
            self._command.publish(Float64MultiArray(data=command.action.tolist()))


def spin_callback_node():
    """Until a signal."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(CallbackNode())
    return 0


def main():
    """Entry point; what follows DESIGN and POLICY_MS is for ROS."""
    design, policy_ms = sys.argv[1:3]
    slow_down(float(policy_ms) / 1000)
    if design == "callback":
        return spin_callback_node()
    from lapa_edge_ros.node import main as run_node

    return run_node()


if __name__ == "__main__":
    sys.exit(main())
