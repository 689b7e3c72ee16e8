"""Stops that stay until somebody takes them back on purpose."""

from __future__ import annotations

from dataclasses import dataclass


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
        """What the e-stop says now; pressed once, it stays latched."""

    def stop(self) -> None:
        """Latch a stop."""

    def reset(self) -> str | None:
        """Take back every latched stop; why not, where the e-stop is still pressed."""

    def enable(self, enabled: bool) -> str | None:
        """Allow or forbid motion; why not, where a stop is latched. Forbidding is never refused."""
