"""The ROS 2 node `policy`: a managed node around `Drive`; see the package's README.md.

Configuring loads and verifies the bundle; activating lets commands out; leaving the active state,
by a service or by a signal, ends with stop commands. The e-stop and the services are heard in every
state.
"""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, String

from lapa_edge.artifact import load_bundle
from lapa_edge.errors import ConfigError, LapaError
from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.gate import GatedCommand
from lapa_edge.runtime.motion_gate.latches import Latches
from lapa_edge.runtime.motion_gate.reasons import StopReason
from lapa_edge.runtime.policy import Latent
from lapa_edge_ros.diagnostics import Report, assess, values
from lapa_edge_ros.drive import Drive
from lapa_edge_ros.inputs import WARN_EVERY_S, Inputs
from lapa_edge_ros.outputs import GripperOutput, Output, build_output
from lapa_edge_ros.parameters import declare_parameters, read_settings
from lapa_edge_ros.receipt import timed
from lapa_edge_ros.services import Services
from lapa_edge_ros.settings import Settings, check_settings
from lapa_edge_ros.table import ROWS
from lapa_edge_ros.topics import EVERY, SURE, command_qos
from lapa_edge_ros.transitions import answer_forbidden_transitions, told
from lapa_edge_ros.wiring import read_wiring

DIAGNOSTICS_PERIOD_S = 1.0
ACKNOWLEDGED_S = 0.5  # by all who hear the last stops
SUCCESS = TransitionCallbackReturn.SUCCESS


class PolicyNode(LifecycleNode):
    """Loads a bundle and drives a robot with it."""

    def __init__(self) -> None:
        super().__init__("policy")
        declare_parameters(self)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._latches = Latches()
        self.hung = False  # a thread was left behind that would not let the process end
        self._drive: Drive | None = None
        self._outputs: list[tuple[Output, object]] = []
        self._inputs: Inputs | None = None
        self._latent = None
        self._told = False  # whether the robot was told anything in this episode
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", EVERY)
        # A press that is let go at once must not be replaced before it was heard.
        self.create_subscription(Bool, "~/estop", timed(self._on_estop), EVERY)
        self.create_subscription(String, "~/instruction", self._on_instruction, SURE)
        Services(self, self._latches, lambda: self._active, self._forget)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._tell, clock=steady)
        answer_forbidden_transitions(self)

    # Lifecycle

    def end(self) -> None:
        """Shut down, where nobody has asked for it before."""
        if self._state_machine.current_state[1] != "finalized":
            self.trigger_shutdown()

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, verify and warm up; fails with one line where something does not fit."""
        settings = read_settings(self)
        check_settings(settings)
        if not settings.model_path:
            raise ConfigError("model_path", "expected a bundle's directory, got nothing")
        bundle = load_bundle(Path(settings.model_path))
        wiring = read_wiring(settings, bundle.spec)
        self._drive = Drive(
            bundle,
            settings,
            wiring,
            self._latches,
            ros_now_s=lambda: self.get_clock().now().nanoseconds * 1e-9,
            send=self._send,
            report=self._tell_latent,
            log=self.get_logger(),
            begin=self._begin,
        )
        try:
            self._open_topics(settings, self._drive)
        except Exception:  # or the next configure would find topics and a drive already there
            self._free()
            raise
        for warning in (self._drive.fallback, wiring.assumed):
            if warning:
                self.get_logger().warning(warning)
        ready = f"{settings.instruction!r}, {self._drive.source.backend}"
        self.get_logger().info(f"{settings.model_path} is ready: {ready}")
        return super().on_configure(state)

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let commands out: stops until the robot is enabled and every input is fresh."""
        self._latches.enable(False)
        wanted = self.get_parameter("start_enabled").value
        if wanted and (refused := self._latches.enable(True)):
            self.get_logger().warning(f"start_enabled: {refused}")
        result = super().on_activate(state)
        try:
            self._drive.start()
        except Exception:  # the state stays inactive, and so does what it may publish
            super().on_deactivate(state)
            raise
        return result

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot; the bundle stays loaded."""
        self._halt("the node was deactivated")
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the bundle, the topics and what of the device they held."""
        self._free()
        gc.collect()  # threads and callbacks refer to each other
        return SUCCESS

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot where it still moves, then free everything."""
        self._halt("the node was shut down")
        self._free()
        return SUCCESS

    @told
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition raised: stop, free, and start again from unconfigured."""
        self.get_logger().error(f"a transition from {state.label} failed; stopping")
        self._halt("a transition failed")
        self._free()
        return SUCCESS

    @property
    def _active(self) -> bool:
        return self._drive is not None and self._drive.running

    def _forget(self) -> None:
        try:
            self._drive.forget()
        except Exception:  # nothing commands any more, and the state must say so
            self.trigger_deactivate()
            raise

    def _halt(self, why: str) -> None:
        """The last commands of an active node are stop commands.

        Silent where the node is not active: another controller may have the robot by then.
        """
        if self._drive is None or not self._drive.halt(why):
            return
        self.hung |= self._drive.hung
        until_s = time.monotonic() + ACKNOWLEDGED_S
        for _, publisher in self._outputs:
            left_s = max(0.0, until_s - time.monotonic())
            publisher.wait_for_all_acked(Duration(seconds=left_s))

    # Topics

    def _open_topics(self, settings: Settings, drive: Drive) -> None:
        place = "~/" if settings.dry_run else ""
        wiring = drive.wiring
        slow = settings.output_type == "joint_trajectory"
        rate_hz = min(wiring.policy_hz, wiring.control_hz) if slow else wiring.control_hz
        output = build_output(settings, drive, self._warn)
        self._offer(output, f"{place}command", rate_hz)
        if wiring.grippers:
            names = [drive.spec.action.names[i] for i in wiring.grippers]
            gripper = GripperOutput(names, wiring.grippers)
            self._offer(gripper, f"{place}gripper_command", wiring.control_hz)
        self._latent = self.create_lifecycle_publisher(String, "~/latent", EVERY)
        self._inputs = Inputs(self, settings, drive)

    def _offer(self, output: Output, topic: str, rate_hz: float) -> None:
        publisher = self.create_lifecycle_publisher(output.kind, topic, command_qos(rate_hz))
        self._outputs.append((output, publisher))

    def _free(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
        for _, publisher in self._outputs:
            self.destroy_lifecycle_publisher(publisher)
        if self._latent is not None:
            self.destroy_lifecycle_publisher(self._latent)
        self._inputs, self._outputs, self._latent = None, [], None
        self._drive = None

    def _on_estop(self, message: Bool, received_s: float) -> None:
        self._latches.set_estop(message.data, received_s)

    def _on_instruction(self, message: String) -> None:
        if self._active:
            self._drive.instruct(message.data)
        else:
            self._warn("~/instruction: ignored, the node is not active")

    def _begin(self) -> None:
        self._told = False
        for output, _ in self._outputs:
            output.forget()

    def _send(self, command: GatedCommand, facts: Facts) -> bool:
        """Whether the robot was told anything, now or before in this episode."""
        if not command.sendable:  # then it was told nothing that a stop would have to end
            if command.reason is not StopReason.ENDED:
                self._warn(f"nothing is sent: {command.unsendable}")
            return self._told
        stamp = self.get_clock().now().to_msg()
        for output, publisher in self._outputs:
            message = output.message(command, facts, stamp)
            if message is not None:
                publisher.publish(message)
                self._told = True
        return self._told

    def _tell_latent(self, latent: Latent, age_s: float, instruction: str) -> None:
        said = {
            "codes": latent.codes.tolist(), "age_s": round(age_s, 6), "instruction": instruction
        }  # fmt: skip
        self._latent.publish(String(data=json.dumps(said)))

    def _tell(self) -> None:
        state = self._state_machine.current_state[1]
        report = Report(state=state) if self._drive is None else self._drive.read_report(state)
        level, message = assess(report)
        status = DiagnosticStatus(
            level=bytes([level]),
            name=f"{self.get_fully_qualified_name().lstrip('/')}: lapa_edge",
            message=message,
            hardware_id="",
            values=[KeyValue(key=key, value=value) for key, value in values(report).items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=WARN_EVERY_S)

    # Parameters

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Called once types and ranges are right; refuses what does not fit, and applies."""
        ours = {p.name for p in parameters} & set(ROWS)
        try:
            if ours:
                self._apply(read_settings(self, parameters), ours)
        except LapaError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, settings: Settings, changed: set[str]) -> None:
        check_settings(settings)
        if self._drive is None:
            return
        if late := sorted(name for name in changed if ROWS[name].change != "live"):
            raise ConfigError(", ".join(late), "set before configuring", "clean up the node first")
        self._drive.set_limits(settings)
