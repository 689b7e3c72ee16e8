"""How fast and how far a robot may be told to move, beyond the bundle's own low and high."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn, get_args

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.loop_options import is_number
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.spec import ActionSpec

StaleAction = Literal["stop", "decelerate", "hold"]
"""What a late image, latent or chunk does to a robot that moves. stop: it stands still at once, a
position where it is measured. hold: at once too, but a position stays the last commanded.
decelerate: it brakes at max_acceleration, and a position stays where that ends."""

Vector3 = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class MotionLimits:
    """0, None and an empty mapping do not limit.

    max_linear_velocity_m_s: norm of the translation. max_angular_velocity_rad_s: norm of the
    rotation. max_acceleration: change of the commanded velocity, m/s² of the translation's norm,
    rad/s² of the rotation's norm and of each joint. workspace_min_m, workspace_max_m: box for the
    measured x, y, z. joint_position_min_rad, joint_position_max_rad: by action name.
    max_joint_step_rad: per tick and joint. stale_action: see `StaleAction`; "decelerate" needs a
    max_acceleration.
    """

    max_linear_velocity_m_s: float = 0.0
    max_angular_velocity_rad_s: float = 0.0
    max_acceleration: float = 0.0
    workspace_min_m: Vector3 | None = None
    workspace_max_m: Vector3 | None = None
    joint_position_min_rad: Mapping[str, float] = field(default_factory=dict)
    joint_position_max_rad: Mapping[str, float] = field(default_factory=dict)
    max_joint_step_rad: float = 0.0
    stale_action: StaleAction = "stop"


def check_limits(limits: MotionLimits, meaning: ActionMeaning, spec: ActionSpec) -> None:
    """Raise `ConfigError` for a limit that is no number, or that nothing can be held to."""
    for name in _SPEEDS:
        value = getattr(limits, name)
        if not (is_number(value) and 0 <= value < math.inf):
            _refuse(name, f"expected a finite number, 0 for no limit, got {value!r}")
    if limits.stale_action not in (choices := get_args(StaleAction)):
        _refuse("stale_action", f"expected {' or '.join(choices)}, got {limits.stale_action!r}")
    if limits.stale_action == "decelerate" and not limits.max_acceleration:
        _refuse("max_acceleration", 'expected more than 0 for stale_action "decelerate", got 0')
    _check_applies(limits, meaning)
    _check_stops_at_zero(meaning, spec)
    _check_box(limits)
    _check_joints(limits, meaning, spec)


_SPEEDS = {
    "max_linear_velocity_m_s": "translation",
    "max_angular_velocity_rad_s": "rotation",
    "max_joint_step_rad": "joint",
    "max_acceleration": "",
}


def _check_applies(limits: MotionLimits, meaning: ActionMeaning) -> None:
    boxed = limits.workspace_min_m is not None or limits.workspace_max_m is not None
    asked = [(name, what) for name, what in _SPEEDS.items() if getattr(limits, name)]
    asked += [("workspace", "translation")] if boxed else []
    moving = [m for m in meaning.moves if m not in ("gripper", "other")]
    for name, what in asked:
        if not any(m.startswith(what) for m in moving):
            _refuse(
                name,
                f"expected an action that is a {what or 'motion'}, "
                f"got {', '.join(dict.fromkeys(meaning.moves))}",
                "take the limit away",
            )
    for m, measured_by in zip(meaning.moves, meaning.measured_by, strict=True):
        if boxed and m.startswith("translation") and measured_by < 0:
            _refuse("workspace", f"no state measures {m}", "say which in `measured_by`")


def _check_stops_at_zero(meaning: ActionMeaning, spec: ActionSpec) -> None:
    """What is made slower must come to stand still at 0."""
    for i, (name, stop) in enumerate(zip(spec.names, spec.stop, strict=True)):
        moving = meaning.moves[i] not in ("gripper", "other") and not meaning.absolute[i]
        if moving and stop != 0:
            _refuse(f"action {name}", f"expected a stop of 0 for a displacement, got {stop:g}")


def _check_box(limits: MotionLimits) -> None:
    low, high = box_of(limits)
    for name, box in (("workspace_min_m", low), ("workspace_max_m", high)):
        if len(box) != 3 or not all(is_number(v) and not math.isnan(v) for v in box):
            _refuse(name, f"expected x, y, z in m, got {list(box)}")
    if not all(a < b for a, b in zip(low, high, strict=True)):
        _refuse("workspace", f"expected min < max in x, y and z, got {list(low)} and {list(high)}")


def _check_joints(limits: MotionLimits, meaning: ActionMeaning, spec: ActionSpec) -> None:
    joints = [name for name, m in zip(spec.names, meaning.moves, strict=True) if m == "joint"]
    low, high = limits.joint_position_min_rad, limits.joint_position_max_rad
    for name in dict.fromkeys((*low, *high)):
        if name not in joints:
            _refuse("joint_position", f"expected joints of {joints}, got {name!r}")
        if meaning.measured_by[spec.names.index(name)] < 0:
            _refuse("joint_position", f"no state measures {name}", "say which in `measured_by`")
        ends = low.get(name, -math.inf), high.get(name, math.inf)
        if not (all(is_number(end) for end in ends) and ends[0] < ends[1]):
            _refuse(f"joint_position of {name}", f"expected min < max, got {ends[0]}, {ends[1]}")


def box_of(limits: MotionLimits) -> tuple[Vector3, Vector3]:
    """Both corners of the workspace; infinite where it is not limited."""
    low, high = limits.workspace_min_m, limits.workspace_max_m
    return (-math.inf,) * 3 if low is None else low, (math.inf,) * 3 if high is None else high


def _refuse(thing: str, problem: str, fix: str = "") -> NoReturn:
    raise ConfigError(thing, problem, fix)
