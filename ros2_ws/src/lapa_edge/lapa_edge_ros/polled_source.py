"""What the sources without a thread of their own share: the newest latent and the newest state."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.policy import Latent


class PolledSource:
    """The half of an `ActionSource` that listens; `command` is the other.

    Args:
        state_timeout_s: the oldest state that may drive the robot.
    """

    def __init__(self, state_timeout_s: float) -> None:
        self._state_timeout_s = state_timeout_s

    def start(self) -> None:
        """Forget the last episode."""
        self.ready_s = time.monotonic()
        # Each is one reference, written by one thread and read by another.
        self._latent: Latent | None = None
        self._seen: tuple[NDArray[np.float32], float] | None = None

    def end(self) -> None:
        """Nothing runs."""

    def set_latent(self, latent: Latent) -> None:
        """The next tick may act on it."""
        self._latent = latent

    def set_state(self, state: NDArray[np.float32], received_s: float) -> None:
        """The next tick sees it."""
        self._seen = state, received_s

    def read_state(self, now_s: float) -> tuple[NDArray[np.float32] | None, str | None]:
        """The state ``f32 [s]``, if there is one yet, and why it may not drive (None: it may)."""
        if self._seen is None:
            return None, "the robot has not told its state yet"
        state, received_s = self._seen
        age_s = now_s - received_s
        if not age_s <= self._state_timeout_s:
            return state, f"state is {age_s:.3f} s old, more than {self._state_timeout_s:.3f} s"
        return state, None
