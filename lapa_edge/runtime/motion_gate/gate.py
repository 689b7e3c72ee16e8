"""What stands between a policy's command and a motor, one call per control tick.

    Facts, Command -> permission -> clamps -> last check -> GatedCommand

Plain Python with no clock, no thread and no middleware, for any driver. It comes after the
decisions of `runtime.safety.SafetyGate` or of the native loop, whose commands it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.motion_gate.counts import GateCounts
from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts
from lapa_edge.runtime.motion_gate.latches import Latches
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.runtime.motion_gate.reasons import Clamp, StopReason
from lapa_edge.runtime.safety import Command
from lapa_edge.spec import PolicySpec


@dataclass(frozen=True, eq=False, kw_only=True)
class GatedCommand(Command):
    """What the robot may be told.

    reason: of `stopped`; None where it moves. velocity: ``f64 [a]``, m/s and rad/s (0 for grippers
    and "other"); of an absolute action the one that its step amounts to. clamps: what changed it.
    """

    reason: StopReason | None
    velocity: NDArray[np.float64]
    clamps: frozenset[Clamp]


class MotionGate:
    """One robot's gate; `decide` and `end` belong to one thread.

    Args:
        spec: the bundle's.
        meaning: of its actions.
        ages, limits: may be replaced between ticks, see `set_limits`.
        rate_hz: ticks per second.

    Raises:
        ConfigError: a limit that is no number, or that the actions or the state cannot be held to.
    """

    latches: Latches
    counts: GateCounts

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
        raise NotImplementedError

    def set_limits(self, ages: AgeLimits, limits: MotionLimits) -> None:
        """Hold the ticks to come to these; any thread may call.

        Raises:
            ConfigError: as the constructor; the old ones stay.
        """

    def decide(self, command: Command, facts: Facts) -> GatedCommand:
        """What to tell the robot at this tick; never raises."""
        raise NotImplementedError

    def end(self, text: str) -> GatedCommand:
        """To stand still at once, for the last commands of a driver that ends."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget the episode: what was sent and measured. Latches and counts stay."""
