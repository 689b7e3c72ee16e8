"""Where an arm must stand before its first command.

A command lies within the bundle's low and high. Where the arm stands outside of them, whatever it
is told moves it, to stand still as well: by as far as it is outside, in one tick.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.spec import PolicySpec

_SHARE = 0.01  # of a range: what an arm at its end sags, or its encoder is off


class Place:
    """The ranges of one robot's positions, and how little beyond them is no matter.

    That is a joint's max_joint_step; without one, and of other positions, a hundredth of the range.
    """

    def __init__(
        self, spec: PolicySpec, bundle: ActionLimits, meaning: ActionMeaning, limits: MotionLimits
    ) -> None:
        self._names, self._units = spec.action.names, spec.action.units
        step = limits.max_joint_step_rad
        # action, the state that measures it, its range, and the slack of both ends
        self._positions = []
        for i, state in spec.action.holds:
            low, high = float(bundle.low[i]), float(bundle.high[i])
            joint = step and meaning.moves[i] == "joint"
            slack = step / meaning.scale[i] if joint else (high - low) * _SHARE
            self._positions.append((i, state, low, high, slack))

    def outside(self, state: NDArray[np.float32]) -> tuple[str | None, bool]:
        """Which position of a state ``f32 [s]`` is beyond its range, in words; whether any is far.

        Far is by more than the slack. Of several the first is told; what is not finite is no place.
        """
        text, far = None, False
        for i, measured_by, low, high, slack in self._positions:
            measured = float(state[measured_by])
            beyond = max(low - measured, measured - high)
            if not 0 < beyond < math.inf:
                continue
            text = text or self._tell(i, measured, low, high)
            far |= beyond > slack
        return text, far

    def _tell(self, i: int, measured: float, low: float, high: float) -> str:
        unit = self._units[i]
        return (
            f"{self._names[i]} stands at {measured:.4g} {unit}, outside of the {low:.4g} to "
            f"{high:.4g} {unit} that the policy was trained in; bring it inside"
        )
