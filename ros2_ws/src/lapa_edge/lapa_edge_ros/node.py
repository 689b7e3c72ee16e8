"""The ROS 2 node `policy`: camera image and robot state in, command out.

A managed node. Configuring loads and verifies the bundle; activating lets commands out; leaving
the active state, by a service or by a signal, ends with the stop command. What may move the robot
is decided in ``control.py``, when is in ``loop.py``; this file only connects them to topics.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String

from lapa_edge.artifact import load_bundle
from lapa_edge.errors import ConfigError, LapaError
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session
from lapa_edge_ros.control import Limits, check_cameras, warm_up
from lapa_edge_ros.image import image_view
from lapa_edge_ros.loop import Loop
from lapa_edge_ros.messages import command_message, latent_message
from lapa_edge_ros.parameters import Settings, declare_parameters, read_settings

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
SEVERAL = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)  # arm, gripper, ...
SURE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LAST_STOPS = 3
WARN_EVERY_S = 2.0
SPIN_S = 0.1  # a signal is noticed after at most this long
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class PolicyNode(LifecycleNode):
    """Loads a bundle and drives a robot with it; see README.md for topics and parameters."""

    def __init__(self) -> None:
        super().__init__("policy")
        declare_parameters(self)
        self.add_on_set_parameters_callback(self._refuse_while_configured)
        self._settings: Settings | None = None
        self._session: Session | None = None
        self._loop: Loop | None = None
        self._command = self._latent = None

    # Lifecycle. rclpy swallows what these raise, so each tells its own failure.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, verify and warm up; fails with one line where the bundle is no good."""
        settings = read_settings(self)
        try:
            self._session = _build_session(settings)
        except LapaError as error:
            self.get_logger().error(str(error))
            return FAILURE
        except Exception as error:
            self.get_logger().error(f"bundle {settings.model_path}: does not run ({error})")
            return FAILURE
        self._settings = settings
        self._open_topics(settings)
        self.get_logger().info(f"{settings.model_path} is ready: {settings.instruction!r}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start looking and commanding: stop commands until image and state are fresh."""
        result = super().on_activate(state)
        spec, limits = self._session.spec, self._settings
        self._loop = Loop(
            self._session,
            Limits(limits.image_timeout, limits.state_timeout),
            policy_hz=limits.policy_rate or spec.timing.policy_hz,
            control_hz=limits.control_rate or spec.action.control_hz,
            publish=self._publish_command,
            report=self._publish_latent,
            log=_Logger(self),
        )
        self._loop.start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot; the bundle stays loaded."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the bundle and the topics."""
        self._free()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot where it still moves, then free everything."""
        self._halt()
        self._free()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition raised: stop, free, and start again from unconfigured."""
        self.get_logger().error(f"a transition from {state.label} failed; stopping")
        self._halt()
        self._free()
        return SUCCESS

    def _halt(self) -> None:
        """The last commands of an active node are stop commands.

        Silent where the node is not active: another controller may have the robot by then.
        """
        loop, self._loop = self._loop, None
        if loop is None:
            return
        stop = loop.end_control()
        for _ in range(LAST_STOPS):
            self._publish_command(stop)
        self._command.wait_for_all_acked(Duration(seconds=0.5))
        loop.end_inference()
        self.get_logger().info(
            f"stopped after {loop.ticks} commands, {loop.stops} of them stop; "
            f"{loop.missed} control ticks missed"
        )

    # Topics

    def _open_topics(self, settings: Settings) -> None:
        topic = "~/command" if settings.dry_run else "command"
        self._command = self.create_lifecycle_publisher(Float64MultiArray, topic, SURE)
        self._latent = self.create_lifecycle_publisher(String, "~/latent", SURE)
        self._inputs = (
            self.create_subscription(Image, "image", self._on_image, NEWEST),
            self.create_subscription(JointState, "state", self._on_state, SEVERAL),
            self.create_subscription(String, "~/instruction", self._on_instruction, SURE),
        )

    def _free(self) -> None:
        if self._command is None:
            return
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        for publisher in (self._command, self._latent):
            self.destroy_lifecycle_publisher(publisher)
        self._command = self._latent = self._session = self._settings = None
        self._inputs = ()

    def _on_image(self, message: Image) -> None:
        received_s = time.monotonic()
        if self._loop is None:
            return
        try:
            self._loop.offer_image(image_view(message), received_s)
        except LapaError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_state(self, message: JointState) -> None:
        received_s = time.monotonic()
        if self._loop is None:
            return
        try:
            self._loop.offer_state(message.name, message.position, received_s)
        except LapaError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=WARN_EVERY_S)

    def _on_instruction(self, message: String) -> None:
        if self._loop is None:
            self.get_logger().warning("~/instruction: ignored, the node is not active")
            return
        self._loop.offer_instruction(message.data)

    def _publish_command(self, command: Command) -> None:
        if command.sendable:
            self._command.publish(command_message(command, self._session.spec.action))
        else:
            self.get_logger().warning(
                "nothing is sent: the robot has not told where it is",
                throttle_duration_sec=WARN_EVERY_S,
            )

    def _publish_latent(self, latent: Latent, now_s: float) -> None:
        words = self._session.policy.instruction
        self._latent.publish(latent_message(latent, words, now_s))

    def _refuse_while_configured(self, parameters: list[Parameter]) -> SetParametersResult:
        ours = {p.name for p in parameters} & set(Settings.__annotations__)
        if self._settings is None or not ours:
            return SetParametersResult(successful=True)
        return SetParametersResult(
            successful=False, reason=f"{', '.join(sorted(ours))}: clean up the node first"
        )


class _Logger:
    """rclpy's logger for threads: one call site per level, as rclpy demands."""

    def __init__(self, node: LifecycleNode) -> None:
        self._logger = node.get_logger()

    def info(self, message: str) -> None:
        self._logger.info(message)

    def warning(self, message: str) -> None:
        self._logger.warning(message)

    def error(self, message: str) -> None:
        self._logger.error(message)


def _build_session(settings: Settings) -> Session:
    if not settings.model_path:
        raise ConfigError("model_path", "expected a bundle's directory, got nothing")
    bundle = load_bundle(Path(settings.model_path))
    check_cameras(bundle.spec)
    session = Session(
        bundle,
        settings.instruction,
        threads=settings.inference_threads,
        rate_hz=settings.control_rate or None,
    )
    warm_up(session)
    return session


def _start(node: PolicyNode) -> bool:
    """Configure and activate; False where either is refused."""
    return node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS


def _catch_signals() -> list[int]:
    """A list that grows with every SIGINT and SIGTERM from now on."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return caught


def _spin(node: PolicyNode, signals: list[int]) -> None:
    """Serve callbacks until a signal was caught."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not signals:
        try:
            executor.spin_once(timeout_sec=SPIN_S)
        except Exception as error:
            # rclpy raises here for a transition that the present state does not allow. Threads
            # and watchdogs go on; a callback that keeps failing leaves its input stale.
            node.get_logger().error(f"a callback failed: {error}")
    executor.remove_node(node)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until a signal; the exit status is 1 only where autostart was refused."""
    # rclpy's own handlers would close the context before the last stop command is out.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    signals = _catch_signals()
    # The default of 5 ms is half a period at 100 Hz for a control thread that waits its turn.
    sys.setswitchinterval(0.0005)
    node = PolicyNode()
    try:
        if node.get_parameter("autostart").value and not _start(node):
            return 1
        _spin(node, signals)
        node.trigger_shutdown()
        return 0
    finally:
        node.destroy_node()
        rclpy.shutdown()


if __name__ == "__main__":
    sys.exit(main())
