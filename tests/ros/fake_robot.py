"""A camera, three joints and a motor driver, on the other side of the node's topics."""

import array
import json
import time

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String

TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}
JOINTS = ("joint_0", "joint_1", "joint_2")


class FakeRobot:
    """Publishes what it is told to, and notes every command with its time of arrival."""

    def __init__(self):
        self.commands: list[tuple[float, list[float]]] = []  # monotonic seconds, action
        self.dry_commands: list[list[float]] = []
        self.latents: list[dict] = []
        self.layout = None

    def __enter__(self):
        self._context = rclpy.Context()
        self._context.init()
        self._node = rclpy.create_node("robot", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        camera = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._image = self._node.create_publisher(Image, "image", camera)
        self._state = self._node.create_publisher(JointState, "state", 10)
        self._instruction = self._node.create_publisher(String, "policy/instruction", 1)
        self._node.create_subscription(Float64MultiArray, "command", self._note, 100)
        self._node.create_subscription(
            Float64MultiArray, "policy/command", lambda m: self.dry_commands.append(list(m.data)), 9
        )
        self._node.create_subscription(
            String, "policy/latent", lambda m: self.latents.append(json.loads(m.data)), 10
        )
        return self

    def __exit__(self, *_):
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _note(self, message):
        self.layout = message.layout
        self.commands.append((time.monotonic(), list(message.data)))

    def actions(self):
        """Every command so far, ``f64 [count, a]``."""
        return np.array([action for _, action in self.commands])

    def moves(self):
        """Every command so far that is not the stop action."""
        return [action for _, action in self.commands if any(action)]

    def last_move_s(self):
        """When the last command that is not stop arrived, monotonic seconds."""
        return max(arrived for arrived, action in self.commands if any(action))

    def send_image(self, encoding="rgb8", height=24, width=32):
        """One camera frame of random pixels."""
        channels = 1 if encoding == "mono8" else 3
        pixels = np.random.default_rng(0).integers(0, 256, height * width * channels, np.uint8)
        data = array.array("B")
        data.frombytes(pixels.tobytes())
        self._image.publish(
            Image(height=height, width=width, encoding=encoding, step=width * channels, data=data)
        )

    def send_state(self, positions=(0.1, 0.2, 0.3), names=JOINTS):
        """One measurement of the joints, rad."""
        self._state.publish(JointState(name=list(names), position=list(positions)))

    def send_instruction(self, words):
        """A new instruction."""
        self._instruction.publish(String(data=words))

    def run(self, seconds, *feeds):
        """Call every feed at 40 Hz, and listen, for this long."""
        self.run_until(lambda: False, *feeds, timeout=seconds, demand=False)

    def run_until(self, reached, *feeds, timeout=20.0, demand=True):
        """Feed and listen until `reached()`."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for feed in feeds:
                feed()
            tick = time.monotonic() + 0.025
            while (left := tick - time.monotonic()) > 0:
                self._executor.spin_once(timeout_sec=left)
            if reached():
                return
        assert not demand, f"not reached within {timeout} s; {len(self.commands)} commands"

    def change_state(self, transition):
        """Ask for a lifecycle transition; whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
        return self._call(ChangeState, "policy/change_state", request).success

    def node_state(self):
        """The label of the node's lifecycle state."""
        return self._call(GetState, "policy/get_state", GetState.Request()).current_state.label

    def set_parameter(self, name, value):
        """Set a parameter of the node; its answer (successful, reason)."""
        parameter = Parameter(name, value=value).to_parameter_msg()
        assert isinstance(parameter.value, ParameterValue)
        request = SetParameters.Request(parameters=[parameter])
        return self._call(SetParameters, "policy/set_parameters", request).results[0]

    def ask_in_vain(self, transition):
        """Send a transition that the node's state forbids, and do not wait for the answer."""
        client = self._node.create_client(ChangeState, "policy/change_state")
        assert client.wait_for_service(20.0)
        client.call_async(ChangeState.Request(transition=Transition(id=TRANSITIONS[transition])))
        self.run(0.5)

    def _call(self, kind, name, request):
        client = self._node.create_client(kind, name)
        assert client.wait_for_service(20.0), f"no service {name}"
        future = client.call_async(request)
        self.run_until(future.done)
        self._node.destroy_client(client)
        return future.result()
