"""The last gate before a motor: finite, bounded and fresh, or the robot stops.

Functions of numbers, with no clock and no middleware, so that they can be tested alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.standstill import Standstill
from lapa_edge.spec import ActionSpec


@dataclass(frozen=True, eq=False)
class Command:
    """What the robot is told.

    action ``f32 [a]`` in physical units, always finite and within the spec's limits; stopped: why
    it is the stop action, or None; clamped: how many dimensions had to be brought into bounds;
    latent_age_s: age of the latent it came from, seconds (NaN where there was none). sendable:
    False as long as a robot of "absolute" actions has not told where it is, or is where it cannot
    be told to be; a driver sends it nothing, since any position would move it.
    """

    action: NDArray[np.float32]
    stopped: str | None
    clamped: int
    latent_age_s: float
    sendable: bool = True


class SafetyGate:
    """Turns what the head wants into what the robot may be told.

    It remembers what it told, and what it was shown of the robot: how to stand still depends on it.
    """

    def __init__(self, spec: ActionSpec, max_latent_age_s: float) -> None:
        self._limits = ActionLimits(spec)
        self._standstill = Standstill(spec, self._limits)
        self._first_action = np.array(spec.stop, np.float32)
        self._max_latent_age_s = max_latent_age_s
        self.reset()

    def reset(self) -> None:
        """Forget the last episode."""
        self._standstill.forget()
        self._last_action = self._first_action

    @property
    def last_action(self) -> NDArray[np.float32]:
        """What the robot was told last, ``f32 [a]``; the spec's stop before any command."""
        return self._last_action

    def see(self, state: NDArray[np.float32]) -> None:
        """The newest measured state ``f32 [s]``, before each decision; it need not be finite."""
        self._standstill.see(state)

    def stop(self, reason: str, latent_age_s: float = float("nan")) -> Command:
        """The command that makes the robot stand still, see `Standstill`."""
        known = self._standstill.known
        return self._tell(Command(self._standstill.action(), reason, 0, latent_age_s, known))

    def stale(self, latent_age_s: float) -> str | None:
        """Why a latent of this age may not drive the robot; None where it may."""
        if not latent_age_s >= 0:  # NaN included
            return f"latent age {latent_age_s:.3f} s is not a time in the past"
        if latent_age_s > self._max_latent_age_s:
            return f"latent is {latent_age_s:.3f} s old, more than {self._max_latent_age_s:.3f} s"
        return None

    def pass_action(self, action: NDArray[np.float32], latent_age_s: float) -> Command:
        """Clamp a finite action ``[a]`` from a fresh latent; stop for anything else."""
        if reason := self.stale(latent_age_s):
            return self.stop(reason, latent_age_s)
        a = len(self._first_action)
        if action.shape != (a,):
            return self.stop(f"expected {a} action values, got {action.shape}")
        if not np.isfinite(action).all():
            return self.stop("action is not finite", latent_age_s)
        bounded = self._limits.clamp(action)
        return self._tell(Command(bounded, None, int((bounded != action).sum()), latent_age_s))

    def _tell(self, command: Command) -> Command:
        self._last_action = command.action.copy()  # the receiver may change its own
        self._standstill.note_sent(self._last_action, moving=command.stopped is None)
        return command
