"""Limits that float32 holds: what lies within them lies within the spec's float64 limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.spec import ActionSpec


class ActionLimits:
    """``low``, ``high`` and ``stop`` of an action spec, each ``f32 [a]``; stop is within them."""

    def __init__(self, spec: ActionSpec) -> None:
        self.low = _round_inwards(spec.low, np.inf)
        self.high = _round_inwards(spec.high, -np.inf)
        self.stop = self.clamp(np.array(spec.stop, np.float32))

    def clamp(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[a]``, finite, brought into bounds."""
        return np.clip(action, self.low, self.high).astype(np.float32)


def _round_inwards(limits: tuple[float, ...], inwards: float) -> NDArray[np.float32]:
    """Limits as float32, never beyond the float64 they came from: 0.1 would become 0.1 + 1.5e-9."""
    exact = np.array(limits, np.float64)
    rounded = exact.astype(np.float32)
    outside = (rounded - exact) * np.sign(inwards) < 0
    return np.where(outside, np.nextafter(rounded, np.float32(inwards)), rounded)
