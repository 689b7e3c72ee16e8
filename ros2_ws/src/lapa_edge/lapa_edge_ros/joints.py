"""The newest position of every joint the policy needs, gathered from any number of messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import RuntimeInputError


class StateBoard:
    """Positions by joint name, each with the time of its receipt on the monotonic clock.

    Arms and grippers often report in separate JointState messages, so values are kept by name;
    joints the policy does not know are ignored. The board is as old as its oldest joint. One
    thread may write while others read: each update replaces the whole board.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self.forget()

    def forget(self) -> None:
        """A new episode: nothing is known."""
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

    def missing(self) -> list[str]:
        """The joints that no message has named yet."""
        return [name for name in self._names if name not in self._board]

    def late(self, now_s: float, timeout_s: float) -> list[str]:
        """The joints of which there was no news for so long, or never."""
        board = self._board
        return [
            name for name in self._names if name not in board or now_s - board[name][1] > timeout_s
        ]

    def read(self, now_s: float) -> tuple[NDArray[np.float32], float] | None:
        """The state ``f32 [s]`` in the policy's order and when its oldest joint was received.

        None as long as a joint is missing. A policy without a state has just heard of all of it.
        """
        board = self._board
        if any(name not in board for name in self._names):
            return None
        positions = np.array([board[name][0] for name in self._names], np.float32)
        return positions, min((board[name][1] for name in self._names), default=now_s)

    def why_not(self, now_s: float, timeout_s: float) -> str | None:
        """Why the state may not be used now, in words; None where it may."""
        known = self.read(now_s)
        if known is None:
            return f"state: no position yet of {', '.join(self.missing())}"
        state, received_s = known
        if now_s - received_s > timeout_s:
            return f"state is {now_s - received_s:.3f} s old, more than {timeout_s:.3f} s"
        return None if np.isfinite(state).all() else "state is not finite"
