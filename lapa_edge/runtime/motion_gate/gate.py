"""What stands between a policy's command and a motor, one call per control tick.

    Facts, Command -> permission -> clamps -> last check -> GatedCommand

Plain Python with no clock, no thread and no middleware, for any driver. It comes after the
decisions of `runtime.safety.SafetyGate` or of the native loop, whose commands it takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.loop_options import is_number
from lapa_edge.runtime.motion_gate.clamps import Clamps, Motion
from lapa_edge.runtime.motion_gate.counts import GateCounts
from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts, check_ages
from lapa_edge.runtime.motion_gate.last_check import (
    broken_bounds,
    broken_range,
    broken_speed,
    not_fresh,
)
from lapa_edge.runtime.motion_gate.latches import Latches
from lapa_edge.runtime.motion_gate.limits import MotionLimits, StaleAction, check_limits
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.runtime.motion_gate.permission import first_stop, state_stop
from lapa_edge.runtime.motion_gate.place import Outside, Place
from lapa_edge.runtime.motion_gate.reasons import STALE, Clamp, Stop, StopReason
from lapa_edge.runtime.motion_gate.stance import Stance
from lapa_edge.runtime.safety import Command
from lapa_edge.spec import PolicySpec


@dataclass(frozen=True, eq=False, kw_only=True)
class GatedCommand(Command):
    """What the robot may be told.

    reason: of `stopped`; None where it moves. velocity: ``f64 [a]``, m/s and rad/s (0 for grippers
    and "other"); of an absolute action the one that its step amounts to. clamps: what changed it.
    A command that is stopped may still move where ``stale_action`` lets it brake. follows: whether
    to stand still means where the robot is measured now, since a hand may move it. unsendable: why
    it must not be sent, "" where it may.
    """

    reason: StopReason | None
    velocity: NDArray[np.float64]
    clamps: frozenset[Clamp]
    follows: bool = False
    unsendable: str = ""


@dataclass(frozen=True, eq=False)
class _Rules:
    """What holds during a tick, replaced as a whole."""

    ages: AgeLimits
    clamps: Clamps
    place: Place
    stale_action: StaleAction


class _BrokenRuleError(Exception):
    """A command that must not leave."""


class MotionGate:
    """One robot's gate; `decide`, `take_back`, `end` and `reset` belong to one thread.

    Args:
        spec: the bundle's.
        meaning: of its actions.
        ages, limits: may be replaced between ticks, see `set_limits`.
        rate_hz: ticks per second; a tick that comes late accelerates no more than one in time.
        enabled: whether motion is allowed from the start.

    Attributes:
        latches: e-stop, stop and enable; another thread may write them.
        counts: of ticks, stops and clamps; any thread may read them.

    Raises:
        ConfigError: a limit that is no number, or that the actions or the state cannot be held to.
    """

    def __init__(
        self,
        spec: PolicySpec,
        meaning: ActionMeaning,
        ages: AgeLimits,
        limits: MotionLimits,
        *,
        rate_hz: float,
        enabled: bool = False,
    ) -> None:
        if not (is_number(rate_hz) and 0 < rate_hz < math.inf):
            raise ConfigError("rate_hz", f"expected a finite rate above 0 Hz, got {rate_hz!r}")
        self.latches, self.counts = Latches(enabled), GateCounts()
        self._spec, self._meaning = spec, meaning
        self._a, self._s = len(spec.action.names), len(spec.state.names)
        self._period_s = 1 / rate_hz
        self._bundle = ActionLimits(spec.action)
        self._stance = Stance(spec.action, self._bundle)
        self.set_limits(ages, limits)

    def set_limits(self, ages: AgeLimits, limits: MotionLimits) -> None:
        """Hold the ticks to come to these; any thread may call.

        Raises:
            ConfigError: as the constructor; the old ones stay.
        """
        check_ages(ages, self._spec.timing.max_latent_age_s)
        check_limits(limits, self._meaning, self._spec.action)
        spec, bundle, meaning = self._spec, self._bundle, self._meaning
        clamps = Clamps(spec.action, bundle, meaning, limits, self._period_s)
        place = Place(spec, bundle, meaning, limits, self._period_s)
        self._rules = _Rules(ages, clamps, place, limits.stale_action)

    def reset(self) -> None:
        """Forget the episode: what was sent and measured. Latches and counts stay."""
        self._stance.reset()

    def decide(self, command: Command, facts: Facts) -> GatedCommand:
        """What to tell the robot at this tick; never raises.

        An e-stop that is pressed follows the measured positions: the arm may be moved by hand, and
        must not jump back. Every other stop keeps those of its beginning.
        """
        rules, latch = self._rules, self.latches.state
        try:
            outside = self._see(facts, rules.place)
            far = outside.text if outside and outside.far else None
            a, s = self._a, self._s
            stop = first_stop(latch, facts, command, rules.ages, a=a, s=s, outside=far)
            if stop is None:
                gated = self._move(rules, command, facts, bring_inside=outside is not None)
            elif stop.reason in STALE and self._may_brake(rules, facts):
                gated = self._brake(rules, stop, command, facts)
            else:
                gated = self._stand_still(stop, command.latent_age_s, follow=latch.estop)
        except Exception as error:  # whatever was not foreseen stops the robot
            gated = self._stand_still(Stop(StopReason.INTERNAL, f"{type(error).__name__}: {error}"))
        self.counts.note(gated.reason, gated.clamps)
        return gated

    def take_back(self) -> None:
        """The newest command was not sent after all: the next one follows the one before it.

        Else limits of steps and acceleration would be kept from a command nobody received.
        """
        self._stance.take_back()

    def end(self, text: str) -> GatedCommand:
        """To stand still at once, for the last commands of a driver that ends."""
        gated = self._stand_still(Stop(StopReason.ENDED, text))
        self.counts.note(gated.reason, gated.clamps)
        return gated

    def _see(self, facts: Facts, place: Place) -> Outside | None:
        if facts.state is None or not self._fits(facts.state):
            return None
        return self._stance.see(facts.state, place)

    def _fits(self, state: NDArray[np.float32] | None) -> bool:
        return state is not None and state.shape == (self._s,)

    def _move(
        self, rules: _Rules, command: Command, facts: Facts, *, bring_inside: bool
    ) -> GatedCommand:
        """bring_inside: first to the ends of the ranges that the arm is a little out of."""
        clamps, before, wanted = rules.clamps, self._stance.velocity, command.action.tolist()
        if bring_inside:
            assert facts.state is not None, "it is out of range"
            self._stance.bring_inside(facts.state)
        last = self._stance.last or self._stance.standing_still().tolist()
        if bring_inside:
            for i, _ in self._spec.action.holds:
                wanted[i] = last[i]
        places = clamps.places(last, facts.state)
        motion = clamps.move(wanted, before, last, places)
        if bring_inside:
            changed = int((motion.action != command.action).sum())
            clamps_too = motion.clamps | {Clamp.ACTION_RANGE}
            motion = replace(motion, clamps=clamps_too, clamped=changed)
        self._check(motion, rules, braking=False, places=places)
        if broken := not_fresh(facts, rules.ages, has_state=self._s > 0):
            raise _BrokenRuleError(broken)
        return self._tell(motion, None, command.latent_age_s, moving=True)

    def _may_brake(self, rules: _Rules, facts: Facts) -> bool:
        """Whether a late input need not stop the robot at once: it was sent, and it is seen."""
        if rules.stale_action == "stop" or self._stance.last is None:
            return False
        return not self._s or (self._fits(facts.state) and state_stop(facts, rules.ages) is None)

    def _brake(self, rules: _Rules, stop: Stop, command: Command, facts: Facts) -> GatedCommand:
        clamps, last = rules.clamps, self._stance.last
        assert last is not None  # `_may_brake`
        at_once = rules.stale_action == "hold"
        places = clamps.places(last, facts.state)
        motion = clamps.brake(self._stance.velocity, last, places, at_once=at_once)
        self._check(motion, rules, braking=True, places=places)
        return self._tell(motion, stop, command.latent_age_s, moving=True)

    def _check(self, motion: Motion, rules: _Rules, *, braking: bool, places: list[float]) -> None:
        clamps = rules.clamps
        broken = (
            broken_bounds(motion.action, clamps.low, clamps.high)
            or broken_speed(motion, self._stance.velocity, clamps.groups, braking=braking)
            or broken_range(motion, places, clamps.ranges, self._period_s)
        )
        if broken:
            raise _BrokenRuleError(broken)

    def _stand_still(
        self, stop: Stop, latent_age_s: float = math.nan, *, follow: bool = False
    ) -> GatedCommand:
        motion = Motion(self._stance.standing_still(), [0.0] * self._a, frozenset(), 0)
        return self._tell(motion, stop, latent_age_s, moving=follow, follows=follow)

    def _tell(
        self,
        motion: Motion,
        stop: Stop | None,
        latent_age_s: float,
        *,
        moving: bool,
        follows: bool = False,
    ) -> GatedCommand:
        """moving: whether to stand still later means where it is measured then."""
        unsendable = self._stance.unsendable
        self._stance.note_sent(motion.action, motion.velocity, moving=moving)
        return GatedCommand(
            action=motion.action,  # the receiver's own: what is remembered is a copy
            stopped=None if stop is None else stop.text,
            clamped=motion.clamped,
            latent_age_s=latent_age_s,
            sendable=not unsendable,
            reason=None if stop is None else stop.reason,
            velocity=np.array(motion.velocity),
            clamps=motion.clamps,
            follows=follows,
            unsendable=unsendable,
        )
