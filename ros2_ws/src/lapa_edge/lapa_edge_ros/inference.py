"""The thread that looks: newest frame in, latent out, at the policy's rate and no faster.

It never runs in a ROS callback and never holds up a command: a look that hangs leaves its latent to
grow old, one that raises stops the robot until a later one succeeds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from lapa_edge.errors import BundleError, ConfigError, LapaError
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge_ros.joints import StateBoard
from lapa_edge_ros.mailbox import Frame, Mailbox

JOIN_TIMEOUT_S = 1.0
KEPT_LOOKS = 256  # of which the diagnostics tell percentiles


class Log(Protocol):
    """What is asked of a logger; rclpy's and the standard library's both do."""

    def info(self, message: str) -> object: ...
    def warning(self, message: str) -> object: ...
    def error(self, message: str) -> object: ...


def warm_up(policy: Policy) -> None:
    """Look once, so that the first real look does not pay for first allocations.

    Raises:
        BundleError: a graph that gives vectors of other lengths than the manifest says.
    """
    spec = policy.spec
    black = np.zeros((spec.frame.height, spec.frame.width, 3), np.uint8)
    latent = policy.look(black, 0.0, np.array(spec.state.mean, np.float32))
    got = len(latent.vector), len(latent.context)
    expected = spec.latent_dim, spec.context_dim
    if got != expected:
        raise BundleError(
            "policy.onnx", f"expected latent and context of {expected} numbers, got {got}"
        )


class Inference:
    """From activation to deactivation.

    Args:
        policy: warmed up; only this thread uses it from here on.
        board: measured positions, for a policy that is told the state.
        state_timeout_s: the oldest state that the policy is told.
        policy_hz: looks per second at most.
        hand_over: called in the inference thread with every latent and the frame it saw.
        log: where instructions are told.
    """

    def __init__(
        self,
        policy: Policy,
        board: StateBoard,
        *,
        state_timeout_s: float,
        policy_hz: float,
        hand_over: Callable[[Latent, Frame], None],
        log: Log,
    ) -> None:
        self.mailbox = Mailbox()
        self.failure: str | None = None  # why the newest look gave no latent
        self.looks_s: deque[float] = deque(maxlen=KEPT_LOOKS)  # how long each took
        self.looks = 0
        self._policy, self._board = policy, board
        self._state_timeout_s, self._period_s = state_timeout_s, 1 / policy_hz
        self._hand_over, self._log = hand_over, log
        self._instructions: deque[str] = deque(maxlen=1)  # one slot: taken and left in one step
        self._episode = 0
        self._handing = threading.Lock()  # no episode may begin between a look's check and its end
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    @property
    def instruction(self) -> str:
        """What the policy is told to do, in words."""
        return self._policy.instruction

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Look from now on, whenever a frame is there."""
        self._thread.start()

    def forget(self) -> None:
        """A new episode: frames, failures and a look under way are of the last one.

        Raises:
            ConfigError: a latent is being handed over, and that hangs.
        """
        if not self._handing.acquire(timeout=JOIN_TIMEOUT_S):
            raise ConfigError("policy", "handing over a latent hangs", "deactivate the node")
        self._episode += 1
        self.mailbox.clear()
        self.failure = None
        self._handing.release()

    def instruct(self, words: str) -> None:
        """What to do from the next look on; of several, the last counts."""
        self._instructions.append(words)

    def end(self, timeout_s: float = JOIN_TIMEOUT_S) -> bool:
        """Whether the thread ended in time; one that hangs is left behind and hands nothing over.

        Call `ask_to_end` first where something more urgent comes between.
        """
        self.ask_to_end()
        self._thread.join(timeout_s)
        return not self.alive

    def ask_to_end(self) -> None:
        """Hand over no more latents."""
        self._ending.set()

    def look(self, frame: Frame) -> None:
        """One look; whatever goes wrong in it is a failure to be told and stopped for."""
        episode, began_s = self._episode, time.monotonic()
        try:
            latent = self._latent(frame)
        except Exception as error:
            self._fail(episode, str(error) if isinstance(error, LapaError) else repr(error))
            return
        self.looks_s.append(time.monotonic() - began_s)
        self.looks += 1
        with self._handing:
            if not self._of_now(episode):
                return  # a look that took until after the end: nobody wants to hear of it
            try:
                self._hand_over(latent, frame)
                self.failure = None
            except Exception as error:  # the thread must live to look again
                self._tell_failure(repr(error))

    def _latent(self, frame: Frame) -> Latent:
        self._follow_instruction()
        state: np.ndarray | None = None
        if self._policy.spec.policy_state:
            now_s = time.monotonic()
            if reason := self._board.why_not(now_s, self._state_timeout_s):
                raise LapaError("policy", f"it is told the state, and the {reason}")
            known = self._board.read(now_s)
            state = known and known[0]
        return self._policy.look(frame.pixels(), frame.received_s, state)

    def _fail(self, episode: int, problem: str) -> None:
        with self._handing:
            if self._of_now(episode):
                self._tell_failure(problem)

    def _of_now(self, episode: int) -> bool:
        return episode == self._episode and not self._ending.is_set()

    def _tell_failure(self, problem: str) -> None:
        if self.failure is None:
            self._log.error(f"inference failed: {problem}")
        self.failure = f"inference failed: {problem}"

    def _follow_instruction(self) -> None:
        try:
            words = self._instructions.pop()
        except IndexError:
            return
        if words == self._policy.instruction:
            return
        try:
            self._policy.set_instruction(words)  # logs what of it training never met
        except LapaError as error:
            self._log.warning(f"{error}; still following {self._policy.instruction!r}")
            return
        self._log.info(f"instruction: {words!r}")

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._ending.wait(max(0.0, next_s - time.monotonic())):
            if frame := self.mailbox.take(timeout_s=0.1):
                next_s = time.monotonic() + self._period_s
                self.look(frame)
