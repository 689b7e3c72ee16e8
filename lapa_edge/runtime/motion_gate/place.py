"""Where an arm must stand before it is told anything.

A command lies within the bundle's low and high. Where the arm stands outside of them, whatever it
is told moves it, to stand still as well: by as far as it is outside, in one tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.spec import PolicySpec

_SHARE = 0.01  # of a range: what an arm at its end sags, or its encoder is off


@dataclass(frozen=True)
class Outside:
    """Of the first position that is out of its range.

    text: what it is, for a person. far: whether any is out by more than the slack.
    """

    text: str
    far: bool


@dataclass(frozen=True)
class _Range:
    name: str
    unit: str
    measured_by: int
    low: float
    high: float
    slack: float


class Place:
    """The ranges of an arm's positions, and how little beyond them is no matter.

    That is a hundredth of the range, or what it may move in one tick where that is less. A gripper
    that is positioned, and what is "other", has no such range: nothing is near when it moves.
    """

    def __init__(
        self,
        spec: PolicySpec,
        bundle: ActionLimits,
        meaning: ActionMeaning,
        limits: MotionLimits,
        period_s: float,
    ) -> None:
        steps = {
            "joint": limits.max_joint_step_rad,
            "translation": limits.max_linear_velocity_m_s * period_s,
            "rotation": limits.max_angular_velocity_rad_s * period_s,
        }
        self._ranges = []
        for i, measured_by in spec.action.holds:
            step = steps.get(meaning.moves[i].split("_")[0])
            if step is None:
                continue
            low, high = float(bundle.low[i]), float(bundle.high[i])
            slack = min((high - low) * _SHARE, step / meaning.scale[i] or math.inf)
            name, unit = spec.action.names[i], spec.action.units[i]
            unit = "" if unit in ("", "1") else f" {unit}"
            self._ranges.append(_Range(name, unit, measured_by, low, high, slack))

    def outside(self, state: NDArray[np.float32]) -> Outside | None:
        """What a state ``f32 [s]`` has out of range; what is not finite is no place."""
        text, far = "", False
        for r in self._ranges:
            measured = float(state[r.measured_by])
            beyond = max(r.low - measured, measured - r.high)
            if 0 < beyond < math.inf:
                place = f"{r.name} stands at {measured:.4g}{r.unit}, outside of the bundle's "
                text = text or f"{place}{r.low:.4g} to {r.high:.4g}{r.unit}"
                far |= beyond > r.slack
        remedy = "bring it inside" if far else "a little, so it waits until it may move"
        return Outside(f"{text}; {remedy}", far) if text else None
