"""How fast and how far: velocities brought into their limits, one tick after the other.

    action -> wanted velocity -> speed -> acceleration -> range -> action

A displacement or velocity is a velocity; an absolute action is the velocity that its step from
the last one amounts to. What no limit changed leaves exactly as it came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.motion_gate.groups import Group, Range, build_groups, build_ranges
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.runtime.motion_gate.reasons import Clamp
from lapa_edge.spec import ActionSpec

_SHORTER = 1 - 1e-6  # so that a vector in float32 is no longer than its limit


@dataclass(frozen=True, eq=False)
class Motion:
    """One tick's motion.

    action ``f32 [a]``; velocity ``[a]``, m/s and rad/s, of the action as it was rounded; clamps:
    what changed it; clamped: how many actions it changed.
    """

    action: NDArray[np.float32]
    velocity: list[float]
    clamps: frozenset[Clamp]
    clamped: int


class Clamps:
    """The limits of one robot at one rate; immutable.

    Its callers give the last velocity ``before`` and the last action, from where absolute ones
    move, and what `places` answers; each ``[a]``.
    """

    def __init__(
        self,
        spec: ActionSpec,
        bundle: ActionLimits,
        meaning: ActionMeaning,
        limits: MotionLimits,
        period_s: float,
    ) -> None:
        self._meaning, self._period_s = meaning, period_s
        self.low, self.high = bundle.low.tolist(), bundle.high.tolist()
        self._acceleration = limits.max_acceleration
        self.groups: tuple[Group, ...] = build_groups(spec, meaning, limits, period_s)
        self.ranges: tuple[Range, ...] = build_ranges(spec, bundle, meaning, limits)
        # dim, metres or radians in one, whether absolute
        self._moving = [
            (i, meaning.scale[i], meaning.absolute[i])
            for i in sorted(i for group in self.groups for i in group.dims)
        ]
        others = [i for i, what in enumerate(meaning.moves) if what == "other"]
        self._stops = [(i, float(bundle.stop[i])) for i in others if not meaning.absolute[i]]

    def places(self, last: Sequence[float], state: NDArray[np.float32] | None) -> list[float]:
        """Where each of `ranges` is now, m or rad.

        An absolute action is where it was commanded, any other where the state ``f32 [s]`` says.
        """
        meaning = self._meaning
        return [
            last[i] * meaning.scale[i]
            if meaning.absolute[i] or state is None
            else float(state[meaning.measured_by[i]]) * meaning.position_scale[i]
            for i in (r.dim for r in self.ranges)
        ]

    def move(
        self,
        action: Sequence[float],
        before: Sequence[float],
        last: Sequence[float],
        places: Sequence[float],
    ) -> Motion:
        """A policy's finite action, no faster and no further than allowed."""
        bounded = self._bound(action)
        clamps = set() if bounded == action else {Clamp.ACTION_RANGE}
        wanted = self._velocity(bounded, last)
        velocity = wanted.copy()
        self._approach(velocity)
        self._slow_down(velocity, clamps)
        self._accelerate(velocity, before, clamps)
        self._slow_down(velocity, clamps)  # the limits may be lower than at the last tick
        self._keep_within(velocity, places, clamps)
        moved = self._act(bounded, velocity, last, wanted)
        clamped = sum(x != y for x, y in zip(moved, action, strict=True))
        return self._motion(moved, last, clamps, clamped)

    def brake(
        self,
        before: Sequence[float],
        last: Sequence[float],
        places: Sequence[float],
        *,
        at_once: bool,
    ) -> Motion:
        """On from the last action, slower by max_acceleration, or not moving at all.

        Positions go on from the last commanded one, and grippers keep their last command.
        """
        velocity = [0.0] * len(before)
        if not at_once:
            for group in self.groups:
                speed = _norm(before, group.dims)
                if speed > group.max_change:
                    for i in group.dims:
                        velocity[i] = before[i] * (1 - group.max_change / speed)
        clamps: set[Clamp] = set()
        self._keep_within(velocity, places, clamps)
        kept = list(last)
        for i, stop in self._stops:
            kept[i] = stop
        return self._motion(self._act(kept, velocity, last), last, clamps, 0)

    def _bound(self, action: Sequence[float]) -> list[float]:
        ends = zip(action, self.low, self.high, strict=True)
        return [low if x < low else high if x > high else x for x, low, high in ends]

    def _velocity(self, action: Sequence[float], last: Sequence[float]) -> list[float]:
        velocity = [0.0] * len(action)
        for i, scale, absolute in self._moving:
            there = action[i] * scale
            velocity[i] = (there - last[i] * scale) / self._period_s if absolute else there
        return velocity

    def _approach(self, velocity: list[float]) -> None:
        """Absolute actions: no faster than they can brake before their target."""
        if not self._acceleration:
            return
        for group in self.groups:
            dims = [i for i in group.dims if self._meaning.absolute[i]]
            distance = _norm(velocity, dims) * self._period_s
            if distance:
                share = self._braking_speed(distance) * self._period_s / distance
                for i in dims:
                    velocity[i] *= share

    def _slow_down(self, velocity: list[float], clamps: set[Clamp]) -> None:
        for group in self.groups:
            speed = _norm(velocity, group.dims)
            if speed > group.max_speed:
                clamps.add(group.clamp)
                for i in group.dims:
                    velocity[i] *= group.max_speed / speed * _SHORTER

    def _accelerate(
        self, velocity: list[float], before: Sequence[float], clamps: set[Clamp]
    ) -> None:
        for group in self.groups:
            change = math.hypot(*[velocity[i] - before[i] for i in group.dims])
            if change > group.max_change:
                clamps.add(Clamp.ACCELERATION)
                share = group.max_change / change * _SHORTER
                for i in group.dims:
                    velocity[i] = before[i] + (velocity[i] - before[i]) * share

    def _keep_within(
        self, velocity: list[float], places: Sequence[float], clamps: set[Clamp]
    ) -> None:
        """Brake before an end, stand still at it; from outside only inwards."""
        for limits, place in zip(self.ranges, places, strict=True):
            i = limits.dim
            up = self._braking_speed(limits.high - place)
            down = self._braking_speed(place - limits.low)
            if not -down <= velocity[i] <= up:
                clamps.add(limits.clamp)
                velocity[i] = min(max(velocity[i], -down), up)

    def _braking_speed(self, distance: float) -> float:
        """The fastest from which to stand still within a distance, counting this whole tick.

        v T + v² / 2 a = distance, solved for v in the form that loses no digits near 0; without
        an acceleration limit, distance / T.
        """
        if not 0 < distance < math.inf:
            return max(distance, 0.0)
        if not self._acceleration:
            return distance / self._period_s
        tick = self._acceleration * self._period_s
        return (
            2
            * self._acceleration
            * distance
            / (tick + math.sqrt(tick * tick + 2 * self._acceleration * distance))
        )

    def _act(
        self,
        action: Sequence[float],
        velocity: Sequence[float],
        last: Sequence[float],
        wanted: Sequence[float] | None = None,
    ) -> list[float]:
        """The action of a velocity; where that is as it was wanted, the action as it came."""
        moved = list(action)
        for i, scale, absolute in self._moving:
            if wanted is None or velocity[i] != wanted[i]:
                there = last[i] * scale + velocity[i] * self._period_s if absolute else velocity[i]
                moved[i] = there / scale
        return moved

    def _motion(
        self, action: Sequence[float], last: Sequence[float], clamps: set[Clamp], clamped: int
    ) -> Motion:
        rounded = np.array(action, np.float32)
        velocity = self._velocity(rounded.tolist(), last)
        return Motion(rounded, velocity, frozenset(clamps), clamped)


def _norm(values: Sequence[float], dims: Sequence[int]) -> float:
    if len(dims) == 1:  # a joint: seven of them several times a tick
        return abs(values[dims[0]])
    return math.hypot(*[values[i] for i in dims])
