"""Two rates in one process: the policy looks now and then, the head acts at every control tick.

Time is an argument everywhere. A simulator passes simulated seconds, a robot passes its monotonic
clock; the session only ever compares the two times it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.errors import RuntimeInputError
from lapa_edge.runtime.backends.names import Backend, Device, HeadBackend, HeadPrecision
from lapa_edge.runtime.decoding import Head
from lapa_edge.runtime.head import HeadInput, build_head
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge.runtime.safety import Command, SafetyGate
from lapa_edge.spec import PolicySpec


class LatentPolicy(Protocol):
    """Whatever looks for a session: the bundle's `Policy`, or a checkpoint in another framework."""

    @property
    def instruction(self) -> str:
        """What it is told to do, in words."""

    @property
    def look(self) -> Callable[..., Latent]:
        """``look(frame, seen_at_s)``, with the state as a third where `PolicySpec.policy_state`."""


class Session:
    """One robot, one instruction, one episode after another.

    Args:
        bundle: verified.
        instruction: what to do, in words.
        head_backend: what runs the action head.
        threads: ONNX Runtime threads for the policy; 0 chooses by the machine.
        head_precision: of the native head's weights.
        rate_hz: control ticks per second, where they are not the spec's ``control_hz``.
        backend, device, graph: what runs which graph of the policy where, see `open_graph`.

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
        rate_hz: float | None = None,
        backend: Backend = "onnx",
        device: Device | None = None,
        graph: str = "policy",
    ) -> None:
        policy = Policy(bundle, instruction, threads, backend, device, graph)
        head = build_head(bundle, head_backend, head_precision)
        self._set_up(bundle.spec, policy, head, rate_hz)

    @classmethod
    def of(
        cls, spec: PolicySpec, policy: LatentPolicy, head: Head, rate_hz: float | None = None
    ) -> Session:
        """A session of any two halves that speak the spec's language.

        Args:
            spec: what both were trained for.
            policy: looks; its instruction is set already.
            head: ``f32 [in] -> f32 [p * a]``, the chunk in normalised units.
            rate_hz: control ticks per second, where they are not the spec's ``control_hz``.
        """
        session = cls.__new__(cls)
        session._set_up(spec, policy, head, rate_hz)
        return session

    def _set_up(
        self, spec: PolicySpec, policy: LatentPolicy, head: Head, rate_hz: float | None
    ) -> None:
        self.spec, self.policy, self.head = spec, policy, head
        self._input = HeadInput(spec, rate_hz)
        self._gate = SafetyGate(spec.action, spec.timing.max_latent_age_s)
        self.reset()

    def reset(self) -> None:
        """Forget the last episode: no latent, no state, no last action."""
        self._latent: Latent | None = None
        self._ticks = 0  # since the latent took over
        self._state: NDArray[np.float32] | None = None
        self._gate.reset()

    def look(
        self,
        frame: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
        seen_at_s: float,
        state: NDArray[np.float32] | None = None,
    ) -> Latent:
        """Run the policy on a camera frame; the answer counts once it is accepted.

        Args:
            frame: RGB ``u8 [H, W, 3]``; one per camera where the policy looks through several.
            seen_at_s: when it was taken, on the clock that `act` is called with.
            state: as `act` takes it, for a policy that is told the state. Without one it is told
                the newest finite state that `act` was given; before any, that there is none.
        """
        if not self.spec.policy_state:
            return self.policy.look(frame, seen_at_s)
        known = self._state if state is None else self._check_state(state)
        return self.policy.look(frame, seen_at_s, known)

    def accept(self, latent: Latent) -> None:
        """Let the head act on this latent from now on.

        One that was seen at the same time as the last is the same look handed over again: the
        ticks that the head counts go on.
        """
        if self._latent is None or latent.seen_at_s != self._latent.seen_at_s:
            self._ticks = 0
        self._latent = latent

    def act(self, state: NDArray[np.float32], now_s: float) -> Command:
        """The command for this control tick.

        Args:
            state: measured, ``f32 [s]``, in the order of ``spec.state.names``.
            now_s: the time, on the clock of ``Latent.seen_at_s``.

        Returns:
            A command that is finite and bounded. Without a fresh latent or with a state that is
            not finite it is the action that stands still, and says why.

        Raises:
            RuntimeInputError: a state of another length: the robot is wired wrongly.
        """
        state = self._check_state(state)
        self._see(state)
        command = self._decide(state, now_s)
        self._ticks += 1
        return command

    def stop(self, reason: str, state: NDArray[np.float32] | None = None) -> Command:
        """The stop command of a tick whose caller knows of something wrong, such as an old image.

        The session must hear of it: the head is told the last action that the robot got, and for
        how many ticks its latent has driven, whether the robot moved in them or not.

        Args:
            reason: in words.
            state: as `act` takes it, where one is known: a robot that is told positions has to be
                told where it is.
        """
        if state is not None:
            self._see(self._check_state(state))
        self._ticks += 1
        return self._gate.stop(reason)

    def _see(self, state: NDArray[np.float32]) -> None:
        self._gate.see(state)
        if np.isfinite(state).all():
            self._state = state

    def _check_state(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy, since a driver may fill the same array again while another thread looks."""
        if np.shape(state) != (len(self.spec.state.names),):
            names = ", ".join(self.spec.state.names)
            raise RuntimeInputError(
                "state", f"expected [{len(self.spec.state.names)}] ({names}), got {np.shape(state)}"
            )
        return np.array(state, np.float32)

    def _decide(self, state: NDArray[np.float32], now_s: float) -> Command:
        latent = self._latent
        if latent is None:
            return self._gate.stop("the policy has not looked yet")
        age_s = now_s - latent.seen_at_s
        if reason := self._gate.stale(age_s):
            return self._gate.stop(reason, age_s)
        if not np.isfinite(state).all():
            return self._gate.stop("state is not finite", age_s)
        x = self._input.fill(latent, state, self._gate.last_action, age_s, self._ticks)
        if not np.isfinite(x).all():
            return self._gate.stop("latent is not finite", age_s)
        try:
            chunk = self.head.forward(x)
        except ValueError as error:  # the kernel's answer to an overflow
            return self._gate.stop(f"action head: {error}", age_s)
        first = chunk[: len(self.spec.action.names)]
        return self._gate.pass_action(self._input.action.restore(first), age_s)
