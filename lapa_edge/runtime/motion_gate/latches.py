"""Stops that stay until somebody takes them back on purpose.

An e-stop that is pressed, however shortly, stays latched: its release alone moves nothing, and
`reset` is refused while it is pressed. `reset` gives back what was allowed before the stop, so it
is itself the deliberate act that lets the robot move on. Allowing motion is refused while a stop is
latched: a robot must not have become free to move between a stop and its reset. Forbidding motion
is never refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LatchState:
    """estop: pressed now. estop_latched: was pressed. stopped: `stop` was asked. enabled."""

    estop: bool = False
    estop_latched: bool = False
    stopped: bool = False
    enabled: bool = False

    @property
    def allows_motion(self) -> bool:
        """Whether nobody keeps the robot from moving."""
        return self.enabled and not (self.estop or self.estop_latched or self.stopped)


class Latches:
    """One thread writes, any may read `state`: each change replaces it as a whole.

    estop_heard_s: when the e-stop last said anything, -inf before; on the clock of `set_estop`.
    on_forbidden: called by the writing thread whenever motion that was allowed no longer is.
    """

    def __init__(self, enabled: bool = False) -> None:
        self.state = LatchState(enabled=enabled)
        self.estop_heard_s = -math.inf
        self.on_forbidden: Callable[[], None] = lambda: None

    def set_estop(self, pressed: bool, heard_s: float = -math.inf) -> None:
        """What the e-stop said at this time."""
        self.estop_heard_s = heard_s
        latched = self.state.estop_latched or pressed
        self._change(estop=pressed, estop_latched=latched)

    def stop(self) -> None:
        """Latch a stop."""
        self._change(stopped=True)

    def reset(self) -> str | None:
        """Take back every latched stop; why not, where the e-stop is still pressed."""
        if self.state.estop:
            return "the e-stop is still pressed; release it first"
        self._change(estop_latched=False, stopped=False)
        return None

    def enable(self, enabled: bool) -> str | None:
        """Allow or forbid motion; why not, where a stop is latched."""
        if enabled and (self.state.estop_latched or self.state.stopped):
            return "a stop is latched; reset it first"
        self._change(enabled=enabled)
        return None

    def _change(self, **latches: bool) -> None:
        allowed = self.state.allows_motion
        self.state = replace(self.state, **latches)
        if allowed and not self.state.allows_motion:
            self.on_forbidden()
