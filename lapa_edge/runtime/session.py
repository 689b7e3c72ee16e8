"""Two rates in one process: the policy looks now and then, the head acts at every control tick.

Time is an argument everywhere. A simulator passes simulated seconds, a robot passes its monotonic
clock; the session only ever compares the two times it was given.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.errors import RuntimeInputError
from lapa_edge.runtime.head import Head, HeadBackend, HeadInput, HeadPrecision, build_head
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge.runtime.safety import Command, SafetyGate
from lapa_edge.spec import PolicySpec


class LatentPolicy(Protocol):
    """Whatever looks for a session: the bundle's `Policy`, or a checkpoint in another framework."""

    @property
    def instruction(self) -> str:
        """What it is told to do, in words."""

    def look(self, frame: NDArray[np.uint8], seen_at_s: float) -> Latent:
        """The latent action for a camera frame ``u8 [H, W, 3]`` taken at `seen_at_s`."""


class Session:
    """One robot, one instruction, one episode after another.

    Args:
        bundle: verified.
        instruction: what to do, in words.
        head_backend: what runs the action head.
        threads: ONNX Runtime threads for the policy.
        head_precision: of the native head's weights.

    `look` may run in a thread of its own: it only computes. `accept` and `act` belong to the
    control thread; handing the latent over is one reference assignment.
    """

    def __init__(
        self,
        bundle: Bundle,
        instruction: str,
        head_backend: HeadBackend = "native",
        threads: int = 1,
        head_precision: HeadPrecision = "f32",
    ) -> None:
        policy = Policy(bundle, instruction, threads)
        self._set_up(bundle.spec, policy, build_head(bundle, head_backend, head_precision))

    @classmethod
    def of(cls, spec: PolicySpec, policy: LatentPolicy, head: Head) -> Session:
        """A session of any two halves that speak the spec's language.

        Args:
            spec: what both were trained for.
            policy: looks; its instruction is set already.
            head: ``f32 [in] -> f32 [p * a]``, the chunk in normalised units.
        """
        session = cls.__new__(cls)
        session._set_up(spec, policy, head)
        return session

    def _set_up(self, spec: PolicySpec, policy: LatentPolicy, head: Head) -> None:
        self.spec, self.policy, self.head = spec, policy, head
        self._input = HeadInput(spec)
        self._gate = SafetyGate(spec.action, spec.timing.max_latent_age_s)
        self.reset()

    def reset(self) -> None:
        """Forget the last episode: no latent, no last action."""
        self._latent: Latent | None = None
        self._last_action = np.array(self.spec.action.stop, np.float32)

    def look(self, frame: NDArray[np.uint8], seen_at_s: float) -> Latent:
        """Run the policy on a camera frame; the answer counts once it is accepted."""
        return self.policy.look(frame, seen_at_s)

    def accept(self, latent: Latent) -> None:
        """Let the head act on this latent from now on."""
        self._latent = latent

    def act(self, state: NDArray[np.float32], now_s: float) -> Command:
        """The command for this control tick.

        Args:
            state: measured, ``f32 [s]``, in the order of ``spec.state.names``.
            now_s: the time, on the clock of ``Latent.seen_at_s``.

        Returns:
            A command that is finite and bounded. Without a fresh latent or with a state that is
            not finite it is the stop action, and says why.

        Raises:
            RuntimeInputError: a state of another length: the robot is wired wrongly.
        """
        if np.shape(state) != (len(self.spec.state.names),):
            names = ", ".join(self.spec.state.names)
            raise RuntimeInputError(
                "state", f"expected [{len(self.spec.state.names)}] ({names}), got {np.shape(state)}"
            )
        command = self._decide(np.asarray(state, np.float32), now_s)
        self._last_action = command.action
        return command

    def stop(self, reason: str) -> Command:
        """The stop command of a tick whose caller knows of something wrong, such as an old image.

        The session must hear of it: the head is told the last action that the robot got.
        """
        command = self._gate.stop(reason)
        self._last_action = command.action
        return command

    def _decide(self, state: NDArray[np.float32], now_s: float) -> Command:
        latent = self._latent
        if latent is None:
            return self._gate.stop("the policy has not looked yet")
        age_s = now_s - latent.seen_at_s
        if reason := self._gate.stale(age_s):
            return self._gate.stop(reason, age_s)
        if not np.isfinite(state).all():
            return self._gate.stop("state is not finite", age_s)
        x = self._input.fill(latent, state, self._last_action, age_s)
        if not np.isfinite(x).all():
            return self._gate.stop("latent is not finite", age_s)
        try:
            chunk = self.head.forward(x)
        except ValueError as error:  # the kernel's answer to an overflow
            return self._gate.stop(f"action head: {error}", age_s)
        first = chunk[: len(self.spec.action.names)]
        return self._gate.pass_action(self._input.action.restore(first), age_s)
