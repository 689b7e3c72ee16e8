"""Three ways to turn looks into motion, over the same policy, head and safety gate.

two-rate    the head acts anew at every control tick, from the newest latent and the state now
blocking    the robot stands still while the policy computes, plays the first actions of one
            chunk, and stands still again: one rate, as published policies run
open-loop   the policy looks at its rate; each chunk, made from the state at its look's time, is
            played from its start until the next one comes, and the robot stops at its end
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.decoding import Head
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec

ExecutionMode = Literal["two-rate", "blocking", "open-loop"]
WAITING = "waits for the policy"
State = NDArray[np.float32]


class Execution(Protocol):
    """When to look, and what to do at each control tick."""

    every: int
    """Looks begin at multiples of this many control ticks."""

    def reset(self) -> None:
        """Forget the last episode."""

    def wants_look(self, tick: int) -> bool:
        """Whether a look should begin at this tick."""

    def accept(self, latent: Latent, state: State) -> None:
        """The answer to a look, and the state ``f32 [s]`` measured when it began."""

    def act(self, state: State, now_s: float) -> Command:
        """The command of this control tick."""


class TwoRate:
    """The session as the robot runs it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.every = _period(session.spec)

    def reset(self) -> None:
        self._session.reset()

    def wants_look(self, tick: int) -> bool:
        return tick % self.every == 0

    def accept(self, latent: Latent, state: State) -> None:
        self._session.accept(latent)

    def act(self, state: State, now_s: float) -> Command:
        return self._session.act(state, now_s)


class Blocking:
    """Look, wait standing still, play `execute_steps` of the chunk, look again.

    The chunk is made when the answer comes: the robot has not moved since it looked.
    """

    every = 1

    def __init__(self, session: Session, execute_steps: int) -> None:
        self._session, self._execute_steps = session, execute_steps
        self._head = _playing(session)
        self.reset()

    def reset(self) -> None:
        self._session.reset()
        self._head.reset()
        self._left = 0

    def wants_look(self, tick: int) -> bool:
        return self._left == 0

    def accept(self, latent: Latent, state: State) -> None:
        self._session.accept(latent)
        self._head.begin(latent)
        self._left = self._execute_steps

    def act(self, state: State, now_s: float) -> Command:
        if self._left == 0:
            return self._session.stop(WAITING, state)
        self._left -= 1
        command = self._session.act(state, now_s)
        if command.stopped is not None:  # too old to go on with, for instance: look again
            self._left = 0
        return command


class OpenLoop:
    """Chunks from the state at the look's time, each played from its start."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._head = _playing(session)
        self.every = _period(session.spec)
        self.reset()

    def reset(self) -> None:
        self._session.reset()
        self._head.reset()

    def wants_look(self, tick: int) -> bool:
        return tick % self.every == 0

    def accept(self, latent: Latent, state: State) -> None:
        self._session.accept(latent)
        self._head.begin(latent, state)

    def act(self, state: State, now_s: float) -> Command:
        return self._session.act(state, now_s)


def build_execution(
    mode: ExecutionMode, session: Session, execute_steps: int | None = None
) -> Execution:
    """The execution called `mode`; the session is its own from now on.

    Args:
        mode: see the module.
        session: its head is wrapped where chunks are played.
        execute_steps: actions of a chunk that blocking plays; the whole chunk unless given.

    Raises:
        ConfigError: more steps than a chunk has, or for a mode that knows none.
    """
    chunk = session.spec.action.chunk
    check_execution(mode, chunk, execute_steps)
    if mode == "blocking":
        return Blocking(session, chunk if execute_steps is None else execute_steps)
    return OpenLoop(session) if mode == "open-loop" else TwoRate(session)


def check_execution(mode: ExecutionMode, chunk: int, execute_steps: int | None) -> None:
    """Raise `ConfigError` for steps that a chunk or a mode does not have."""
    if execute_steps is None:
        return
    if mode != "blocking":
        raise ConfigError("--execute-steps", f"only blocking execution knows them, got {mode}")
    if not 1 <= execute_steps <= chunk:
        problem = f"expected 1 to {chunk}, the length of a chunk, got {execute_steps}"
        raise ConfigError("--execute-steps", problem)


class PlayingHead:
    """A head that makes one chunk and then plays it, a step further at every call.

    The session takes the first action of what it answers, bounds it and checks the latent's age,
    as it does with a chunk that is fresh. Past its end it raises, and the session stops.
    """

    def __init__(self, head: Head, spec: PolicySpec) -> None:
        self._head, self._spec = head, spec
        self.reset()

    def reset(self) -> None:
        """Nothing to play."""
        self._chunk: NDArray[np.float32] | None = None
        self._latent: Latent | None = None
        self._state: State | None = None
        self._played = 0

    def begin(self, latent: Latent, state: State | None = None) -> None:
        """Make a new chunk at the next call: from this latent alone, whatever the session leads
        over from, and from `state` ``f32 [s]`` at age 0, where given."""
        self.reset()
        self._latent, self._state = latent, state

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """``f32 [in] -> f32 [p * a]``; what is left of the chunk, its last action repeated.

        Raises:
            ValueError: the chunk is played to its end.
        """
        a = len(self._spec.action.names)
        if self._chunk is None:
            self._chunk = self._head.forward(self._as_it_was(x)).copy().reshape(-1, a)
        if self._played >= len(self._chunk):
            raise ValueError("the chunk is played to its end")
        rest = self._chunk[self._played :]
        self._played += 1
        return np.concatenate([rest, np.repeat(rest[-1:], self._played - 1, 0)]).ravel()

    def _as_it_was(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        x, at, state = x.copy(), self._spec.head_slices(), self._spec.state
        if self._latent is not None:
            x[at["latent"]], x[at["context"]] = self._latent.vector, self._latent.context
        if self._state is None:
            return x
        normalised = (self._state - np.array(state.mean)) / np.array(state.std)
        x[at["state"]] = normalised.astype(np.float32)
        for part in ("latent_age", "chunk_index"):
            if part in at:
                x[at[part]] = 0.0
        return x


def _playing(session: Session) -> PlayingHead:
    head = PlayingHead(session.head, session.spec)
    session.head = head
    return head


def _period(spec: PolicySpec) -> int:
    return max(1, round(spec.action.control_hz / spec.timing.policy_hz))
