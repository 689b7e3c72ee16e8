"""Stops that stay until somebody takes them back on purpose.

An e-stop that is pressed, however shortly, stays latched: its release alone moves nothing, and
`reset` is refused while it is pressed. `reset` gives back what was allowed before the stop, so it
is itself the deliberate act that lets the robot move on. Allowing motion is refused while a stop is
latched: a robot must not have become free to move between a stop and its reset. Forbidding motion
is never refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LatchState:
    """estop: pressed now. estop_latched: was pressed. stopped: `stop` was asked. enabled."""

    estop: bool = False
    estop_latched: bool = False
    stopped: bool = False
    enabled: bool = False


class Latches:
    """One thread writes, any may read `state`: each change replaces it as a whole."""

    def __init__(self, enabled: bool = False) -> None:
        self.state = LatchState(enabled=enabled)

    def set_estop(self, pressed: bool) -> None:
        """What the e-stop says now."""
        latched = self.state.estop_latched or pressed
        self.state = replace(self.state, estop=pressed, estop_latched=latched)

    def stop(self) -> None:
        """Latch a stop."""
        self.state = replace(self.state, stopped=True)

    def reset(self) -> str | None:
        """Take back every latched stop; why not, where the e-stop is still pressed."""
        if self.state.estop:
            return "the e-stop is still pressed; release it first"
        self.state = replace(self.state, estop_latched=False, stopped=False)
        return None

    def enable(self, enabled: bool) -> str | None:
        """Allow or forbid motion; why not, where a stop is latched."""
        if enabled and (self.state.estop_latched or self.state.stopped):
            return "a stop is latched; reset it first"
        self.state = replace(self.state, enabled=enabled)
        return None
