"""Everything between messages in and commands out, for one configured bundle. No ROS in here.

    frames -> inference thread -> latents -> source <- states
                                               |
                               publisher thread: gate -> send

Built when the node is configured; an episode runs from `start` to `halt`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.gate import GatedCommand, MotionGate
from lapa_edge.runtime.motion_gate.latches import Latches
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge.runtime.safety import Command
from lapa_edge_ros.camera import Camera
from lapa_edge_ros.chunks import ChunkPlan, ChunkSource
from lapa_edge_ros.diagnostics import Report
from lapa_edge_ros.inference import Inference, Log, warm_up
from lapa_edge_ros.joints import StateBoard
from lapa_edge_ros.mailbox import Frame
from lapa_edge_ros.publisher import Publisher
from lapa_edge_ros.report import said_by
from lapa_edge_ros.settings import Settings
from lapa_edge_ros.snapshot import read_facts
from lapa_edge_ros.sources import ActionSource, build_source
from lapa_edge_ros.wiring import Wiring, read_ages, read_limits, read_loop_options

LAST_STOPS = 3
END_S = 1.0  # for both threads to end; what hangs longer is left behind


class Drive:
    """One bundle on one robot.

    Args:
        bundle: verified.
        settings, wiring: checked.
        latches: of the node; they outlive this.
        ros_now_s: the clock of header stamps, seconds.
        begin: called before the first command of every episode.
        send: publishes; called from the publisher thread, after `halt` from the caller's.
        report: called from the inference thread with every latent and its age, seconds.
        log: where things are told.

    Raises:
        LapaError: the bundle does not run, or a limit does not fit it.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: Settings,
        wiring: Wiring,
        latches: Latches,
        *,
        ros_now_s: Callable[[], float],
        send: Callable[[GatedCommand, Facts], bool],
        report: Callable[[Latent, float, str], None],
        log: Log,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec, self.wiring, self.latches = bundle.spec, wiring, latches
        self.fallback: str | None = None
        self.hung = False  # a thread was left behind
        self._settings, self._ros_now_s, self._log = settings, ros_now_s, log
        self._begin, self._send, self._tell_latent = begin, send, report
        self._policy = Policy(
            bundle,
            settings.instruction,
            settings.inference_threads,
            settings.backend,
            settings.device,
        )
        self._ages = read_ages(settings, self.spec)
        self._limits = read_limits(settings, self.spec, wiring)
        self._gate = self._build_gate(wiring.control_hz)
        self._gate.latches = latches
        self._plan_gate: MotionGate | None = None
        self.plan: ChunkPlan | None = None
        self.source: ActionSource
        if settings.output_type == "joint_trajectory":
            hz = self.spec.action.control_hz
            self._plan_gate = self._build_gate(hz, enabled=True)
            self.plan = ChunkPlan(self._plan_gate, wiring.meaning, 1 / hz)
            self.source = ChunkSource(bundle, wiring.control_hz, settings.state_timeout)
        else:
            options = read_loop_options(settings, wiring.control_hz)
            self.source, self.fallback = build_source(
                bundle, self._policy, options, wiring.control_hz
            )
        self._camera, self._board = Camera(), StateBoard(self.spec.state.names)
        self._inference: Inference | None = None
        self._left: list[Inference | Publisher] = []  # whose threads hung
        self._publisher: Publisher | None = None
        warm_up(self._policy)

    @property
    def running(self) -> bool:
        """Whether an episode runs."""
        return self._publisher is not None

    def start(self) -> None:
        """Begin an episode: only what arrives from now on counts, and the parameter's instruction.

        Raises:
            ConfigError: a thread of the last episode still hangs, or the system refused an option.
            RuntimeError: the system has no thread to give.
        """
        self._check_left()
        self._camera.forget()
        self._board.forget()
        inference = Inference(
            self._policy,
            self._board,
            state_timeout_s=self._settings.state_timeout,
            policy_hz=self.wiring.policy_hz,
            hand_over=self._hand_over,
            log=self._log,
        )
        inference.instruct(self._settings.instruction)  # whatever the last episode was told
        try:
            self._start_commanding(inference)
            inference.start()
        except Exception:
            self._end_commanding(END_S)
            raise
        self._inference = inference

    def forget(self) -> None:
        """Begin a new episode; the policy's thread goes on, and its instruction stays.

        Raises:
            Exception: none could begin; the one before is over, with its stop commands.
        """
        inference = self._inference
        assert inference is not None, "nothing to forget without an episode"
        try:
            inference.forget()  # first, or a look under way hands its latent to the new episode
            self._end_commanding(END_S)
            self._check_left()
            stop = self._gate.end("a new episode begins")  # while it is known where the robot is
            self._send(stop, self._facts(stop))
            self._camera.forget()
            self._board.forget()
            self._start_commanding(inference)
        except Exception:
            self.halt("no new episode could begin")
            raise

    def halt(self, why: str) -> bool:
        """End the episode with stop commands; whether there was one. Takes `END_S` at most."""
        inference = self._inference
        if inference is None:
            return False
        until_s = time.monotonic() + END_S
        inference.ask_to_end()
        self._end_commanding(END_S)
        stop = self._gate.end(why)
        facts = self._facts(stop)
        for _ in range(LAST_STOPS):
            self._send(stop, facts)
        if not inference.end(max(0.0, until_s - time.monotonic())):
            self._leave(inference, "a look")
        self._inference = None
        return True

    def set_limits(self, settings: Settings) -> None:
        """Hold the ticks to come to these; raises `ConfigError` and keeps the old ones."""
        ages = read_ages(settings, self.spec)
        limits = read_limits(settings, self.spec, self.wiring)
        self._gate.set_limits(ages, limits)
        if self._plan_gate is not None:
            self._plan_gate.set_limits(ages, limits)
        self._settings, self._ages, self._limits = settings, ages, limits

    def hear_image(self, frame: Frame) -> None:
        """A camera frame of any size."""
        if self._inference is None:
            return
        if self._camera.hear(frame, self._ros_now_s(), self._ages):
            self._inference.mailbox.put(frame)
        if not self.spec.state.names:  # known as long as anything is
            self.source.set_state(np.zeros(0, np.float32), frame.received_s)

    def refuse_image(self) -> None:
        """Count an image that cannot be read."""
        self._camera.refuse()

    def hear_joints(
        self, names: Sequence[str], positions: Sequence[float], received_s: float
    ) -> None:
        """Measured positions; raises what `StateBoard.update` raises."""
        self._board.update(names, positions, received_s)
        known = self._board.read(received_s)
        # A robot that is kept from moving is not shown to the source, which then stands still too:
        # the head must not be told of actions that nobody carried out.
        if known is not None and self.running and self.latches.state.allows_motion:
            self.source.set_state(*known)

    def instruct(self, words: str) -> None:
        """What to do from the next look on."""
        if self._inference is not None:
            self._inference.instruct(words)

    def read_report(self, state: str) -> Report:
        """For the diagnostics."""
        backend, fallback = self.source.backend, self.fallback or ""
        if self._inference is None or self._publisher is None:
            return Report(state=state, backend=backend, fallback=fallback)
        late = self._board.late(time.monotonic(), self._settings.state_timeout)
        return Report(
            state=state,
            backend=f"{self._settings.backend} on {self._settings.device}, {backend}",
            fallback=fallback,
            expected_image_hz=self._settings.expected_image_rate or self.wiring.policy_hz,
            control_hz=self.wiring.control_hz,
            late_joints=late,
            **said_by(self._camera, self._inference, self._publisher, self._gate),
        )

    def _build_gate(self, rate_hz: float, *, enabled: bool = False) -> MotionGate:
        meaning, ages, limits = self.wiring.meaning, self._ages, self._limits
        return MotionGate(self.spec, meaning, ages, limits, rate_hz=rate_hz, enabled=enabled)

    def _start_commanding(self, inference: Inference) -> None:
        self._gate.reset()
        self._begin()
        self.source.start()
        publisher = Publisher(
            self.source,
            self._gate,
            rate_hz=self.wiring.control_hz,
            failure=lambda: inference.failure,
            read_facts=self._facts,
            send=self._send,
            log=self._log,
        )
        publisher.start()
        self._publisher = publisher
        self.latches.on_forbidden = publisher.hurry  # a stop must not wait for its tick

    def _end_commanding(self, timeout_s: float) -> None:
        self.latches.on_forbidden = lambda: None
        publisher, self._publisher = self._publisher, None
        if publisher is not None and not publisher.end(timeout_s):
            self._leave(publisher, "publishing a command")
        self.source.end()

    def _leave(self, part: Inference | Publisher, what: str) -> None:
        self.hung = True
        self._left.append(part)
        self._log.error(f"{what} hangs; its thread is left behind")

    def _check_left(self) -> None:
        self._left = [part for part in self._left if part.alive]
        if self._left:
            raise ConfigError(
                "policy",
                "a look or a command that hung in the last episode still does",
                "clean up the node",
            )

    def _hand_over(self, latent: Latent, frame: Frame) -> None:
        self.source.set_latent(latent)
        self._camera.looked_at(frame)
        age_s = time.monotonic() - latent.seen_at_s
        self._tell_latent(latent, age_s, self._policy.instruction)

    def _facts(self, command: Command) -> Facts:
        chunk = self.source.chunk if isinstance(self.source, ChunkSource) else None
        heard_s = self.latches.estop_heard_s
        return read_facts(command, self._camera, self._board, chunk, heard_s, self._ros_now_s)
