"""What must hold of every command, asked anew when it is ready to leave.

It knows nothing of how a command was made. A command that breaks a rule is a bug of ours; the
robot stops and the bug is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.motion_gate.clamps import Motion
from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts
from lapa_edge.runtime.motion_gate.groups import Group, Range
from lapa_edge.runtime.motion_gate.reasons import Clamp

_RANGES = {Clamp.WORKSPACE, Clamp.JOINT_POSITION, Clamp.ACTION_RANGE}
_SLACK = 1 + 1e-6  # of the arithmetic here


def broken_bounds(
    action: NDArray[np.float32], low: Sequence[float], high: Sequence[float]
) -> str | None:
    """What is wrong with numbers that are about to leave."""
    if action.dtype != np.float32 or action.shape != (len(low),):
        return f"the command is {action.dtype} {list(action.shape)}"
    bounds = zip(action.tolist(), low, high, strict=True)
    if not all(least <= x <= most for x, least, most in bounds):  # NaN is not
        return "the command is not within the bundle's low and high"
    return None


def broken_speed(
    motion: Motion, before: Sequence[float], groups: Sequence[Group], *, braking: bool
) -> str | None:
    """Whether it is too fast or changes too fast, or gets faster while it brakes."""
    at_an_end = bool(motion.clamps & _RANGES)  # there it may have to stop at once
    for group in groups:
        now = [motion.velocity[i] for i in group.dims]
        was = [before[i] for i in group.dims]
        speed, was_speed = math.hypot(*now), math.hypot(*was)
        change = math.dist(now, was)
        fastest = was_speed if braking else group.max_speed
        if not speed <= fastest * _SLACK + group.rounding:
            return f"{group.clamp.value}: {speed:g} is more than {fastest:g}"
        slower = at_an_end or (braking and speed == 0)
        lowered = was_speed > group.max_speed
        if not (slower or lowered or change <= group.max_change * _SLACK + 2 * group.rounding):
            return f"{group.clamp.value}: its change {change:g} is more than {group.max_change:g}"
    return None


def broken_range(
    motion: Motion, places: Sequence[float], ranges: Sequence[Range], period_s: float
) -> str | None:
    """Whether it leaves a range, or moves further out from outside of it."""
    for limits, place in zip(ranges, places, strict=True):
        step = motion.velocity[limits.dim] * period_s
        there = place + step
        slack = 1e-6 * (abs(place) + abs(step)) + 1e-9
        if there > max(limits.high, place) + slack or there < min(limits.low, place) - slack:
            return f"{limits.clamp.value}: {there:g} is not in {limits.low:g} to {limits.high:g}"
    return None


def not_fresh(facts: Facts, ages: AgeLimits, *, has_state: bool) -> str | None:
    """The first input that is older than its limit; for commands that move."""
    received_s, stamp_s = facts.image_received_s, facts.image_stamp_s
    oldest = {"latent": (facts.latent_age_s, ages.max_latent_age_s)}
    if received_s is None:
        return "there is no image"
    oldest["image"] = (facts.now_s - received_s, ages.image_timeout_s)
    if stamp_s is not None:
        ahead_s = ages.max_future_stamp_s
        age_s, limit_s = facts.ros_now_s - stamp_s, ages.max_observation_age_s
        oldest["stamp"] = (age_s + ahead_s, limit_s + ahead_s)
    if has_state:
        oldest["state"] = (facts.state_age_s, ages.state_timeout_s)
    if facts.chunk_age_s is not None:
        oldest["chunk"] = (facts.chunk_age_s, ages.chunk_timeout_s)
    for name, (age_s, limit_s) in oldest.items():
        if not 0 <= age_s <= limit_s * _SLACK:  # NaN included
            return f"{name} is {age_s:g} s old"
    return None
