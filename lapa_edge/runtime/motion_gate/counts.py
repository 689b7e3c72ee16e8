"""How often the gate did what, for another thread to read while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counted:
    """ticks: all. stops, clamps: ticks by the name of `StopReason` or `Clamp`; all names are
    there. stops_begun: how often the robot was brought to stand still, by reason."""

    ticks: int
    stops: dict[str, int]
    stops_begun: dict[str, int]
    clamps: dict[str, int]


class GateCounts:
    """Written by the gate's thread only; `read` from any, without a lock."""

    def read(self) -> Counted:
        """A copy; its numbers may be one tick apart."""
        raise NotImplementedError
