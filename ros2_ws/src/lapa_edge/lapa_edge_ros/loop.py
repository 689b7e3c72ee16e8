"""The two threads between messages and commands: one looks, one acts.

The inference thread takes the newest image from a one-slot mailbox and runs the policy. The
control thread ticks at absolute deadlines and publishes one command per tick. Neither waits for
the other, and neither runs in a ROS callback: a callback that infers for 60 ms would hold a
100 Hz control loop to its own pace.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import LapaError
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session
from lapa_edge_ros.control import Limits, StateBoard, StopLog, decide, next_tick

Frame = tuple[NDArray[np.uint8], float]  # RGB u8 [H, W, 3], received_s
JOIN_TIMEOUT_S = 2.0


class Log(Protocol):
    """What is asked of a logger; rclpy's and the standard library's both do."""

    def info(self, message: str) -> object: ...
    def warning(self, message: str) -> object: ...
    def error(self, message: str) -> object: ...


class Mailbox:
    """Room for one frame; a newer one replaces it."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._arrived = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Leave a frame and wake whoever waits."""
        with self._arrived:
            self._frame = frame
            self._arrived.notify()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame, once; None when none came in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            return frame


class Loop:
    """From activation to deactivation.

    Args:
        session: warmed up; it belongs to this loop from here on.
        limits: when an input is too old.
        policy_hz, control_hz: rates of the two threads.
        publish: called from the control thread with every command.
        report: called from the inference thread with every latent and the time, seconds.
        log: where stops and failures are told.
    """

    def __init__(
        self,
        session: Session,
        limits: Limits,
        *,
        policy_hz: float,
        control_hz: float,
        publish: Callable[[Command], None],
        report: Callable[[Latent, float], None],
        log: Log,
    ) -> None:
        self.ticks = self.missed = self.stops = 0
        self._session, self._limits = session, limits
        self._policy_period_s, self._control_period_s = 1 / policy_hz, 1 / control_hz
        self._publish, self._report, self._log = publish, report, log
        self._board = StateBoard(session.spec.state.names)
        self._mailbox = Mailbox()
        self._stop_log = StopLog()
        # Each of these is one reference, written by one thread and read by another.
        self._image_received_s: float | None = None
        self._latent: Latent | None = None
        self._failure: str | None = None
        self._instruction: str | None = None
        self._ending = threading.Event()
        self._inference = threading.Thread(target=self._look_forever, name="inference", daemon=True)
        self._control = threading.Thread(target=self._act_forever, name="control", daemon=True)

    def start(self) -> None:
        """Forget the last episode and let both threads run."""
        self._session.reset()
        self._inference.start()
        self._control.start()

    def end_control(self) -> Command:
        """End the control thread; returns the stop command, which is the caller's to publish."""
        self._ending.set()
        self._control.join(JOIN_TIMEOUT_S)
        return self._session.stop("the node was deactivated")

    def end_inference(self) -> None:
        """Wait for a look under way; it is left behind if it hangs."""
        self._inference.join(JOIN_TIMEOUT_S)
        if self._inference.is_alive():
            self._log.error(f"inference did not end within {JOIN_TIMEOUT_S} s")

    def offer_image(self, image: NDArray[np.uint8], received_s: float) -> None:
        """The newest camera frame, RGB ``u8 [H, W, 3]``."""
        self._image_received_s = received_s
        self._mailbox.put((image, received_s))

    def offer_state(
        self, names: Sequence[str], positions: Sequence[float], received_s: float
    ) -> None:
        """Measured positions; raises what `StateBoard.update` raises."""
        self._board.update(names, positions, received_s)

    def offer_instruction(self, instruction: str) -> None:
        """What to do from the next look on."""
        self._instruction = instruction

    def tick(self, now_s: float) -> Command:
        """One control decision; whatever goes wrong in it stops the robot."""
        try:
            if self._failure:
                state, _ = self._board.read(now_s, self._limits.state_timeout_s)
                return self._session.stop(self._failure, state)
            if self._latent is not None:
                self._session.accept(self._latent)
            return decide(self._session, self._board, self._limits, self._image_received_s, now_s)
        except Exception as error:
            return self._session.stop(f"control failed: {error}")

    def look(self, frame: Frame) -> None:
        """One inference; a failure stops the robot until a later look succeeds."""
        try:
            self._follow_instruction()
            latent = self._session.look(*frame)
            if self._ending.is_set():
                return  # a look that hung until after the end: nobody listens any more
            self._report(latent, time.monotonic())
            self._latent, self._failure = latent, None
        except Exception as error:
            self._failure = f"inference failed: {error}"

    def _follow_instruction(self) -> None:
        instruction, self._instruction = self._instruction, None
        if instruction is None:
            return
        try:
            unknown = self._session.policy.set_instruction(instruction)
        except LapaError as error:
            self._log.warning(f"{error}; still following {self._session.policy.instruction!r}")
            return
        self._log.info(f"instruction: {instruction!r}")
        if unknown:
            self._log.warning(f"instruction: training never met {', '.join(unknown)}")

    def _look_forever(self) -> None:
        deadline_s = time.monotonic()
        while not self._ending.wait(max(0.0, deadline_s - time.monotonic())):
            if frame := self._mailbox.take(timeout_s=0.1):
                self.look(frame)
                deadline_s, _ = next_tick(deadline_s, time.monotonic(), self._policy_period_s)

    def _act_forever(self) -> None:
        deadline_s = time.monotonic()
        while not self._ending.wait(max(0.0, deadline_s - time.monotonic())):
            now_s = time.monotonic()
            command = self.tick(now_s)
            try:
                self._publish(command)
            except Exception as error:  # the next tick tries again
                command = self._session.stop(f"command was not published: {error}")
            self.ticks += 1
            self.stops += command.stopped is not None
            if line := self._stop_log.line(command, now_s):
                (self._log.warning if command.stopped else self._log.info)(line)
            deadline_s, missed = next_tick(deadline_s, time.monotonic(), self._control_period_s)
            self.missed += missed
