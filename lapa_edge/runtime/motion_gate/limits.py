"""How fast and how far a robot may be told to move, beyond the bundle's own low and high."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

StaleAction = Literal["stop", "decelerate", "hold"]
"""What a late input does to a robot that moves. stop: stand still at once, where it is measured.
decelerate: brake at max_acceleration. hold: no velocity; a position stays the last commanded."""

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
