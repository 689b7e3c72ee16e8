"""The last gate before a motor: finite, bounded and fresh, or the robot stops.

Plain functions of numbers, with no clock and no middleware, so that they can be tested alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.spec import ActionSpec


@dataclass(frozen=True, eq=False)
class Command:
    """What the robot is told.

    action ``f32 [a]`` in physical units, always finite and within the spec's limits; stopped: why
    it is the stop action, or None; clamped: how many dimensions had to be brought into bounds;
    latent_age_s: age of the latent it came from, seconds (NaN where there was none).
    """

    action: NDArray[np.float32]
    stopped: str | None
    clamped: int
    latent_age_s: float


class SafetyGate:
    """Turns what the head wants into what the robot may be told."""

    def __init__(self, spec: ActionSpec, max_latent_age_s: float) -> None:
        self._low = _round_inwards(spec.low, np.inf)
        self._high = _round_inwards(spec.high, -np.inf)
        self._stop = np.clip(np.array(spec.stop, np.float32), self._low, self._high)
        self._max_latent_age_s = max_latent_age_s

    def stop(self, reason: str, latent_age_s: float = float("nan")) -> Command:
        """The command that makes the robot stand still."""
        return Command(self._stop.copy(), reason, 0, latent_age_s)

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
        if action.shape != self._low.shape:
            return self.stop(f"expected {len(self._low)} action values, got {action.shape}")
        if not np.isfinite(action).all():
            return self.stop("action is not finite", latent_age_s)
        bounded = np.clip(action, self._low, self._high).astype(np.float32)
        return Command(bounded, None, int((bounded != action).sum()), latent_age_s)


def _round_inwards(limits: tuple[float, ...], inwards: float) -> NDArray[np.float32]:
    """Limits as float32, never beyond the float64 they came from: 0.1 would become 0.1 + 1.5e-9."""
    exact = np.array(limits, np.float64)
    rounded = exact.astype(np.float32)
    outside = (rounded - exact) * np.sign(inwards) < 0
    return np.where(outside, np.nextafter(rounded, np.float32(inwards)), rounded)
