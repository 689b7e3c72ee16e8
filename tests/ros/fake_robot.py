"""A camera, three joints, a panel of buttons and a motor driver: the node's other side.

It speaks through `send_*` and steady feeds, and hears on a thread of its own, so that a test may
wait for one thing without missing another. Everything lies in the robot's namespace: any number of
robots and nodes can live side by side.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from feeds import Feed
from hearing import TYPES, hear
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from pictures import picture
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger

TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "shutdown while active": Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
JOINTS = ("joint_0", "joint_1", "joint_2")
IMAGE_HZ, STATE_HZ = 30.0, 50.0
PATIENCE_S = 20.0  # of a slow shared machine; nothing that is claimed takes as long


@dataclass(frozen=True)
class Diagnosis:
    """level: 0 fine, 1 a warning, 2 an error; values: by name, as text."""

    level: int
    message: str
    values: dict[str, str]


class FakeRobot:
    """Publishes what it is told to, and notes every command with its time of arrival.

    commands, dry_commands: list of `Heard`. latents: what ``~/latent`` said. diagnostics: one
    ``{status name: {key: value}}`` per report, levels: the same with levels.
    """

    def __init__(self, namespace, output="joint_command"):
        self.namespace, self._output = namespace, output
        self.commands, self.dry_commands, self.latents, self.diagnostics = [], [], [], []
        self.node_runs = lambda: True
        self._feeds, self._clients = {}, {}

    def __enter__(self):
        self._context = rclpy.Context()
        self._context.init()
        self._node = rclpy.create_node("robot", context=self._context, namespace=self.namespace)
        self._open()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._ears = threading.Thread(target=self._executor.spin, daemon=True)
        self._ears.start()
        return self

    def __exit__(self, *_):
        for name in list(self._feeds):
            self.stop_feed(name)
        self._executor.shutdown()
        self._ears.join()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _open(self):
        node = self._node
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._image = node.create_publisher(Image, "image", newest)
        self._compressed = node.create_publisher(CompressedImage, "image/compressed", newest)
        self._state = node.create_publisher(JointState, "joint_states", 10)
        self._instruction = node.create_publisher(String, "policy/instruction", 1)
        self._estop = node.create_publisher(Bool, "policy/estop", 10)
        kind = TYPES[self._output]
        note, note_dry = self._noting(self.commands), self._noting(self.dry_commands)
        node.create_subscription(kind, "command", note, 1000)
        node.create_subscription(kind, "policy/command", note_dry, 1000)
        node.create_subscription(String, "policy/latent", self._note_latent, 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._note_diagnostics, 100)

    @staticmethod
    def _noting(heard):
        def note(message, info):
            heard.append(hear(message, info))

        return note

    def _note_latent(self, message):
        self.latents.append(json.loads(message.data))

    def _note_diagnostics(self, message):
        place = self.namespace.lstrip("/")
        for status in message.status:
            if status.name.startswith(f"{place}/"):
                self.diagnostics.append(status)

    def watch_liveliness(self, qos):
        """Pairs of monotonic seconds and how many publishers of commands are alive since then."""
        alive = []

        def note(event):
            alive.append((time.monotonic(), event.alive_count))

        self._node.create_subscription(
            TYPES[self._output], "command", lambda _: None, qos,
            event_callbacks=SubscriptionEventCallbacks(liveliness=note),
        )  # fmt: skip
        return alive

    def note_frames(self, qos):
        """The number of every frame that arrives from now on, see ``camera.py``."""
        numbers = []
        self._node.create_subscription(
            Image, "image", lambda image: numbers.append(int(image.header.frame_id)), qos
        )
        return numbers

    # Speaking

    def send_image(self, image=None, *, stamp_s=0.0):
        """One frame, raw or compressed, stamped that many seconds after now."""
        image = picture() if image is None else image
        now = self._node.get_clock().now().nanoseconds
        image.header.stamp = Time(nanoseconds=now + round(stamp_s * 1e9)).to_msg()
        raw = isinstance(image, Image)
        (self._image if raw else self._compressed).publish(image)

    def send_state(self, positions=(0.1, 0.2, 0.3), names=JOINTS):
        """One measurement of the joints, rad."""
        message = JointState(name=list(names), position=list(positions))
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._state.publish(message)

    def send_instruction(self, words):
        """A new instruction."""
        self._instruction.publish(String(data=words))

    def send_estop(self, pressed):
        """The emergency stop: pressed, or let go."""
        self._estop.publish(Bool(data=pressed))

    # Feeding

    def feed_image(self, image=None, *, rate_hz=IMAGE_HZ, stamp_s=0.0):
        """Send this frame at a steady rate, in place of any other."""
        image = picture() if image is None else image
        self.feed_with("image", lambda: self.send_image(image, stamp_s=stamp_s), rate_hz)

    def feed_state(self, positions=(0.1, 0.2, 0.3), names=JOINTS, *, rate_hz=STATE_HZ):
        """Send these positions at a steady rate, in place of any others."""
        self.feed_with("state", lambda: self.send_state(positions, names), rate_hz)

    def feed(self):
        """Everything the policy needs, as it should be."""
        self.feed_image()
        self.feed_state()

    def feed_with(self, name, send, rate_hz=STATE_HZ):
        """Call `send` at a steady rate, in place of the feed of this name."""
        self.stop_feed(name)
        self._feeds[name] = Feed(rate_hz, send)

    def stop_feed(self, name):
        """Stop one feed where it runs; when it last sent, monotonic seconds."""
        feed = self._feeds.pop(name, None)
        return feed.stop() if feed else None

    def count_publishers(self, topic):
        """How many publish on this topic of the robot's namespace."""
        return self._node.count_publishers(topic)

    # Waiting

    def wait_until(self, reached, timeout_s=PATIENCE_S):
        """Until `reached()` holds; its answer."""
        end_s = time.monotonic() + timeout_s
        while not (answer := reached()):
            assert time.monotonic() < end_s, f"waited {timeout_s} s; {len(self.commands)} commands"
            time.sleep(0.005)
        return answer

    def wait_for_command(self, moving, count=1):
        """The next so many commands that move, or that do not; the first of them."""
        start = len(self.commands)

        def such():
            assert self.node_runs(), "the node has ended"
            found = [heard for heard in self.commands[start:] if heard.moves == moving]
            return found if len(found) >= count else None

        return self.wait_until(such)[0]

    def wait_for_diagnosis(self, like):
        """The next status about the node of which `like(diagnosis)` holds."""
        start = len(self.diagnostics)

        def such():
            for status in self.diagnostics[start:]:
                told = Diagnosis(
                    ord(status.level), status.message, {v.key: v.value for v in status.values}
                )
                if like(told):
                    return told
            return None

        return self.wait_until(such)

    def listen(self, seconds):
        """The commands that arrive in this time."""
        start = len(self.commands)
        time.sleep(seconds)
        return self.commands[start:]

    def drive(self):
        """From whatever came before to a robot that moves: well fed, no stop, enabled."""
        self.feed()
        self.send_estop(False)
        self.wait_until(lambda: self.reset_stop().success)
        assert self.enable(True).success
        self.wait_for_command(moving=True, count=3)

    # Asking

    def change_state(self, transition):
        """Ask for a lifecycle transition; whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
        return self.ask(ChangeState, "policy/change_state", request).success

    def offered(self, topic):
        """How the node offers a topic of its namespace."""
        return self._quality(self._node.get_publishers_info_by_topic, topic)

    def asked(self, topic):
        """How the node asks for a topic of its namespace."""
        return self._quality(self._node.get_subscriptions_info_by_topic, topic)

    def _quality(self, find, topic):
        def found():
            ends = find(f"{self.namespace}/{topic}")
            return [end.qos_profile for end in ends if end.node_name == "policy"]

        return self.wait_until(found)[0]

    def node_state(self):
        """The label of the node's lifecycle state."""
        return self.ask(GetState, "policy/get_state", GetState.Request()).current_state.label

    def enable(self, on):
        """``~/enable``."""
        return self.ask(SetBool, "policy/enable", SetBool.Request(data=on))

    def stop(self):
        """``~/stop``."""
        return self.ask(Trigger, "policy/stop", Trigger.Request())

    def reset_stop(self):
        """``~/reset_stop``."""
        return self.ask(Trigger, "policy/reset_stop", Trigger.Request())

    def reset(self):
        """``~/reset``."""
        return self.ask(Trigger, "policy/reset", Trigger.Request())

    def set_parameter(self, name, value):
        """Set a parameter of the node; its answer (successful, reason)."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return self.ask(SetParameters, "policy/set_parameters", request).results[0]

    def parameter_names(self):
        """Every parameter the node has."""
        request = ListParameters.Request()
        return self.ask(ListParameters, "policy/list_parameters", request).result.names

    def parameters(self, names):
        """The values of these parameters, by name."""
        request = GetParameters.Request(names=list(names))
        values = self.ask(GetParameters, "policy/get_parameters", request).values
        return dict(zip(names, map(parameter_value_to_python, values), strict=True))

    def descriptors(self, names):
        """The descriptors of these parameters, by name."""
        request = DescribeParameters.Request(names=list(names))
        told = self.ask(DescribeParameters, "policy/describe_parameters", request).descriptors
        return dict(zip(names, told, strict=True))

    def ask(self, kind, name, request):
        """Call a service of the node and wait for the answer."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        assert self._clients[name].wait_for_service(PATIENCE_S), f"no service {name}"
        answered = threading.Event()
        future = self._clients[name].call_async(request)
        future.add_done_callback(lambda _: answered.set())
        assert answered.wait(PATIENCE_S), f"{name} did not answer"
        return future.result()
