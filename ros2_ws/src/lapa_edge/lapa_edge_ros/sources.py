"""Where actions come from: the native control loop, or a session where it refuses the bundle.

Both are given latents by the inference thread and states by the executor, and are asked by the
publisher thread, tick by tick. All times are seconds of ``time.monotonic()``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.head import build_head
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session
from lapa_edge_ros.polled_source import PolledSource

READY_S = 0.0005  # after a tick's deadline its command is there, even where the thread woke late


class ActionSource(Protocol):
    """From activation to deactivation: what the policy wants, tick by tick."""

    backend: str  # in words, for the diagnostics
    ready_s: float  # when the episode's first command is ready; the next follow by whole periods

    def start(self) -> None:
        """A new episode begins."""

    def end(self) -> None:
        """The episode is over."""

    def set_latent(self, latent: Latent) -> None:
        """Act on this latent from the next tick on."""

    def set_state(self, state: NDArray[np.float32], received_s: float) -> None:
        """The robot's measured state ``f32 [s]``."""

    def command(self, now_s: float) -> Command:
        """What to tell the robot in this tick."""


class LoopSource:
    """The native loop: it ticks in a thread of its own, and this reads its newest command."""

    def __init__(self, bundle: Bundle, options: LoopOptions) -> None:
        self._loop = ControlLoop(bundle, options)
        self.backend = f"native control loop at {self._loop.rate_hz:g} Hz"

    def start(self) -> None:
        """Let the thread tick, first a period from now."""
        self._loop.start()
        self.ready_s = time.monotonic() + 1 / self._loop.rate_hz + READY_S

    def end(self) -> None:
        """End the thread; what it knew is forgotten."""
        if self._loop.running:
            self._loop.stop()

    def set_latent(self, latent: Latent) -> None:
        """Raises what `ControlLoop.set_latent` raises."""
        self._loop.set_latent(latent)

    def set_state(self, state: NDArray[np.float32], received_s: float) -> None:
        """Raises what `ControlLoop.set_observation` raises."""
        self._loop.set_observation(state, received_s)

    def command(self, now_s: float) -> Command:
        """The newest tick's command, or a stop where the loop hangs."""
        return self._loop.latest_action()


class SessionSource(PolledSource):
    """A session that acts in the thread that asks: for heads and rates that the loop refuses."""

    def __init__(self, bundle: Bundle, policy: Policy, rate_hz: float, state_timeout_s: float):
        super().__init__(state_timeout_s)
        self._session = Session.of(bundle.spec, policy, build_head(bundle), rate_hz)
        self.backend = f"session in Python at {rate_hz:g} Hz"
        self.start()

    def start(self) -> None:
        """Forget the last episode."""
        super().start()
        self._session.reset()

    def command(self, now_s: float) -> Command:
        """One tick of the session."""
        if self._latent is not None:
            self._session.accept(self._latent)
        state, late = self.read_state(now_s)
        if late:
            return self._session.stop(late, state)
        return self._session.act(state, now_s)


def build_source(
    bundle: Bundle, policy: Policy, options: LoopOptions, rate_hz: float
) -> tuple[ActionSource, str | None]:
    """The source for a bundle, and why it is not the native loop (None where it is)."""
    try:
        return LoopSource(bundle, replace(options, rate_hz=rate_hz)), None
    except ConfigError as error:
        return SessionSource(bundle, policy, rate_hz, options.max_state_age_s), str(error)
