"""What the node decides, without ROS and without threads: may the robot move, and how.

Times are seconds on the monotonic clock, passed in. The age of an image or of a joint counts from
its receipt by the node, never from the end of an inference and never from a header stamp: a
camera's clock is not the robot's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError, RuntimeInputError
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec


@dataclass(frozen=True)
class Limits:
    """How old an input may be, seconds since its receipt, before the robot stops."""

    image_timeout_s: float
    state_timeout_s: float


class StateBoard:
    """The newest position of every joint the policy needs, gathered from any number of messages.

    Arms and grippers often report in separate JointState messages, so values are kept by name;
    joints the policy does not know are ignored. The board is as old as its oldest joint. One
    thread may write while another reads: each update replaces the whole board.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._board: dict[str, tuple[float, float]] = {}  # name -> position, received_s

    def update(self, names: Sequence[str], positions: Sequence[float], received_s: float) -> None:
        """Note the positions of a JointState message.

        Raises:
            RuntimeInputError: as many names as positions were expected; nothing is noted.
        """
        if len(names) != len(positions):
            raise RuntimeInputError(
                "state", f"expected one position per name, got {len(names)} and {len(positions)}"
            )
        known = {
            name: (float(position), received_s)
            for name, position in zip(names, positions, strict=True)
            if name in self._names
        }
        self._board = {**self._board, **known}

    def read(self, now_s: float, timeout_s: float) -> tuple[NDArray[np.float32], str | None]:
        """The state ``f32 [s]`` in the policy's order, and why it may not be used (or None)."""
        board = self._board
        state = np.array([board.get(n, (np.nan, 0.0))[0] for n in self._names], np.float32)
        if missing := [name for name in self._names if name not in board]:
            return state, f"state: no position yet of {', '.join(missing)}"
        if not self._names:
            return state, None
        oldest = min(self._names, key=lambda name: board[name][1])
        age_s = now_s - board[oldest][1]
        if age_s > timeout_s:
            return state, f"state: {oldest} is {age_s:.3f} s old, more than {timeout_s:.3f} s"
        return state, None


def decide(
    session: Session,
    board: StateBoard,
    limits: Limits,
    image_received_s: float | None,
    now_s: float,
) -> Command:
    """The command of one control tick: the session's where every input is fresh, else stop."""
    state, reason = board.read(now_s, limits.state_timeout_s)
    if image_received_s is None:
        return session.stop("no image since activation", state)
    age_s = now_s - image_received_s
    if age_s > limits.image_timeout_s:
        reason = f"image is {age_s:.3f} s old, more than {limits.image_timeout_s:.3f} s"
    if reason:
        return session.stop(reason, state)
    return session.act(state, now_s)


def check_cameras(spec: PolicySpec) -> None:
    """Raise `ConfigError` for a policy that looks through more than the node's one camera."""
    if len(spec.cameras) > 1:
        raise ConfigError(
            "cameras",
            f"expected one, since the node reads one image topic, got {', '.join(spec.cameras)}",
            "train a policy of one camera",
        )


def next_tick(deadline_s: float, now_s: float, period_s: float) -> tuple[float, int]:
    """The next deadline after `now_s` on the grid of the last one, and how many were missed.

    Deadlines are absolute, so a late tick does not shift the ones after it; ticks that have
    already passed are skipped, never made up for in a burst.
    """
    missed = max(0, int((now_s - deadline_s) / period_s))
    return deadline_s + (missed + 1) * period_s, missed


class StopLog:
    """Chooses the lines worth logging: when the robot stops, why it still does, when it moves."""

    def __init__(self, repeat_s: float = 2.0) -> None:
        self._repeat_s = repeat_s
        self._said_at_s: float | None = None  # None while the robot moves

    def line(self, command: Command, now_s: float) -> str | None:
        """What to log about this command, if anything."""
        if command.stopped is None:
            was_stopped, self._said_at_s = self._said_at_s is not None, None
            return "moving: every input is fresh" if was_stopped else None
        if self._said_at_s is not None and now_s - self._said_at_s < self._repeat_s:
            return None
        self._said_at_s = now_s
        return f"stopped: {command.stopped}"


def warm_up(session: Session) -> None:
    """Run both halves once, so that the first real tick does not pay for first allocations."""
    frame, state = session.spec.frame, session.spec.state
    session.accept(session.look(np.zeros((frame.height, frame.width, 3), np.uint8), 0.0))
    session.act(np.array(state.mean, np.float32), 0.0)
    session.reset()
