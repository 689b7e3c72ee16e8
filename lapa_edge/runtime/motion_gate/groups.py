"""What a limit is about: actions that move together, and actions that have a range.

Numbers here are metres, radians and seconds, in plain Python floats: for a handful of values an
array costs more to call than to compute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.motion_gate.limits import MotionLimits, box_of
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.runtime.motion_gate.reasons import Clamp
from lapa_edge.spec import ActionSpec


@dataclass(frozen=True)
class Group:
    """Actions whose velocities are limited as one vector: its norm, and the norm of its change.

    max_speed, max_change (per tick): m/s or rad/s; infinite where there is no limit. clamp: what a
    speed above it counts as. rounding: how far float32 may take the norm of either from the exact
    one.
    """

    dims: tuple[int, ...]
    max_speed: float
    max_change: float
    clamp: Clamp
    rounding: float


@dataclass(frozen=True)
class Range:
    """Where the position of one action must stay, m or rad; moving inwards is always allowed."""

    dim: int
    low: float
    high: float
    clamp: Clamp


def build_groups(
    spec: ActionSpec, meaning: ActionMeaning, limits: MotionLimits, period_s: float
) -> tuple[Group, ...]:
    """Translation, rotation, and each joint alone."""
    change = limits.max_acceleration * period_s or math.inf
    step_speed = limits.max_joint_step_rad / period_s

    def build(dims: tuple[int, ...], max_speed: float, clamp: Clamp) -> Group:
        rounding = math.hypot(*(_rounding(spec, meaning, i, period_s) for i in dims))
        return Group(dims, max_speed or math.inf, change, clamp, rounding)

    moving = {
        what: tuple(i for i, m in enumerate(meaning.moves) if m.startswith(what))
        for what in ("translation", "rotation", "joint")
    }
    groups = [build((i,), step_speed, Clamp.JOINT_STEP) for i in moving["joint"]]
    for what, max_speed, clamp in (
        ("translation", limits.max_linear_velocity_m_s, Clamp.LINEAR_VELOCITY),
        ("rotation", limits.max_angular_velocity_rad_s, Clamp.ANGULAR_VELOCITY),
    ):
        if moving[what]:
            groups.append(build(moving[what], max_speed, clamp))
    return tuple(groups)


def _rounding(spec: ActionSpec, meaning: ActionMeaning, i: int, period_s: float) -> float:
    """Of one velocity: a position's two ends are rounded, and both over a short time."""
    per_value = _float32_spacing(max(abs(spec.low[i]), abs(spec.high[i]))) * meaning.scale[i]
    return 2 * per_value / period_s if meaning.absolute[i] else per_value


def _float32_spacing(value: float) -> float:
    most = float(np.finfo(np.float32).max)
    return float(np.spacing(np.float32(min(value, most))))


def build_ranges(
    spec: ActionSpec, bundle: ActionLimits, meaning: ActionMeaning, limits: MotionLimits
) -> tuple[Range, ...]:
    """The workspace by axis, the joints' positions, and an absolute action's own limits.

    Raises:
        ConfigError: a range that an absolute action cannot reach within the bundle's low and high.
    """
    box = box_of(limits)
    ranges = []
    for i, (name, what) in enumerate(zip(spec.names, meaning.moves, strict=True)):
        if what in ("gripper", "other"):
            continue
        low, high, clamp = -math.inf, math.inf, Clamp.ACTION_RANGE
        if what.startswith("translation"):
            axis = "xyz".index(what[-1])
            low, high, clamp = box[0][axis], box[1][axis], Clamp.WORKSPACE
        elif what == "joint":
            low = limits.joint_position_min_rad.get(name, low)
            high = limits.joint_position_max_rad.get(name, high)
            clamp = Clamp.JOINT_POSITION
        if meaning.absolute[i]:
            if low == -math.inf and high == math.inf:
                clamp = Clamp.ACTION_RANGE
            scale = meaning.scale[i]
            least, most = float(bundle.low[i]) * scale, float(bundle.high[i]) * scale
            low, high = _within(low, high, least, most)
            if not low < high:
                raise ConfigError(
                    f"range of {name}", "it lies outside the bundle's own low and high"
                )
        if low > -math.inf or high < math.inf:
            ranges.append(Range(i, low, high, clamp))
    return tuple(ranges)


def _within(low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """The common part; an end of the user's drawn in so far that float32 does not cross it."""
    if low > least:
        least = low + 2 * _float32_spacing(abs(low))
    if high < most:
        most = high - 2 * _float32_spacing(abs(high))
    return least, most
