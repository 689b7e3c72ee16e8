"""How fast and how far: velocities brought into their limits, one tick after the other.

    action -> wanted velocity -> speed -> acceleration -> range -> action

A displacement or velocity is a velocity; an absolute action is the velocity that its step from
the last one amounts to. What no limit changed leaves exactly as it came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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

    Its callers give the last velocity ``[a]``, the last action ``f32 [a]`` (an absolute one moves
    from there), and the measured state ``f32 [s]``, None without one.
    """

    def __init__(
        self,
        spec: ActionSpec,
        bundle: ActionLimits,
        meaning: ActionMeaning,
        limits: MotionLimits,
        period_s: float,
    ) -> None:
        self._bundle, self._meaning, self._period_s = bundle, meaning, period_s
        self._acceleration = limits.max_acceleration
        self.groups: tuple[Group, ...] = build_groups(spec, meaning, limits, period_s)
        self.ranges: tuple[Range, ...] = build_ranges(spec, bundle, meaning, limits)
        self._moving = sorted(i for group in self.groups for i in group.dims)

    def move(
        self,
        action: NDArray[np.float32],
        before: Sequence[float],
        last: NDArray[np.float32],
        state: NDArray[np.float32] | None,
    ) -> Motion:
        """A policy's finite action ``[a]``, no faster and no further than allowed."""
        bounded = self._bundle.clamp(action)
        clamps = set() if (bounded == action).all() else {Clamp.ACTION_RANGE}
        wanted = self._wanted(bounded.tolist(), origin := self._positions(last))
        velocity = list(wanted)
        self._approach(velocity)
        self._slow_down(velocity, clamps)
        self._accelerate(velocity, before, clamps)
        self._slow_down(velocity, clamps)  # the limits may be lower than at the last tick
        self._keep_within(velocity, self.places(last, state), clamps)
        moved = self._act(bounded, velocity, origin, wanted)
        return self._motion(moved, origin, clamps, int((moved != action).sum()))

    def brake(
        self,
        before: Sequence[float],
        last: NDArray[np.float32],
        state: NDArray[np.float32] | None,
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
        self._keep_within(velocity, self.places(last, state), clamps)
        kept = last.copy()
        for i, (what, absolute) in enumerate(
            zip(self._meaning.moves, self._meaning.absolute, strict=True)
        ):
            if what == "other" and not absolute:
                kept[i] = self._bundle.stop[i]
        origin = self._positions(last)
        return self._motion(self._act(kept, velocity, origin), origin, clamps, 0)

    def places(self, last: NDArray[np.float32], state: NDArray[np.float32] | None) -> list[float]:
        """Where each of `ranges` is now: an absolute action as commanded, any other as measured."""
        meaning = self._meaning
        return [
            float(last[i]) * meaning.scale[i]
            if meaning.absolute[i] or state is None
            else float(state[meaning.measured_by[i]]) * meaning.position_scale[i]
            for i in (r.dim for r in self.ranges)
        ]

    def _positions(self, action: NDArray[np.float32]) -> list[float]:
        """``[a]`` in m and rad; of use where the action is absolute."""
        return [x * s for x, s in zip(action.tolist(), self._meaning.scale, strict=True)]

    def _wanted(self, action: Sequence[float], origin: Sequence[float]) -> list[float]:
        velocity = [0.0] * len(action)
        for i in self._moving:
            there = action[i] * self._meaning.scale[i]
            absolute = self._meaning.absolute[i]
            velocity[i] = (there - origin[i]) / self._period_s if absolute else there
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
            change = math.hypot(*(velocity[i] - before[i] for i in group.dims))
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
        action: NDArray[np.float32],
        velocity: Sequence[float],
        origin: Sequence[float],
        wanted: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """The action of a velocity ``[a]``; one that is as it was wanted stays as it came."""
        moved = action.copy()
        for i in self._moving:
            if wanted is None or velocity[i] != wanted[i]:
                absolute = self._meaning.absolute[i]
                there = origin[i] + velocity[i] * self._period_s if absolute else velocity[i]
                moved[i] = there / self._meaning.scale[i]
        return self._bundle.clamp(moved)

    def _motion(
        self,
        action: NDArray[np.float32],
        origin: Sequence[float],
        clamps: set[Clamp],
        clamped: int,
    ) -> Motion:
        return Motion(action, self._wanted(action.tolist(), origin), frozenset(clamps), clamped)


def _norm(values: Sequence[float], dims: Iterable[int]) -> float:
    return math.hypot(*(values[i] for i in dims))
