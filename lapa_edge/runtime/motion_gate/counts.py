"""How often the gate did what, for another thread to read while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lapa_edge.runtime.motion_gate.reasons import Clamp, StopReason


@dataclass(frozen=True)
class Counted:
    """ticks: all. stops, clamps: ticks by the name of `StopReason` or `Clamp`, every name is
    there. stops_begun: how often the robot was brought to stand still, by reason."""

    ticks: int
    stops: dict[str, int]
    stops_begun: dict[str, int]
    clamps: dict[str, int]


class GateCounts:
    """Written by the gate's thread only; `read` from any, without a lock.

    The keys never change, so that a copy made while a number grows is whole.
    """

    def __init__(self) -> None:
        self._ticks = 0
        self._stops = {reason.value: 0 for reason in StopReason}
        self._stops_begun = dict(self._stops)
        self._clamps = {clamp.value: 0 for clamp in Clamp}
        self._last: StopReason | None = None

    def note(self, reason: StopReason | None, clamps: Iterable[Clamp]) -> None:
        """Count one tick."""
        self._ticks += 1
        if reason is not None:
            self._stops[reason.value] += 1
            if reason is not self._last:
                self._stops_begun[reason.value] += 1
        for clamp in clamps:
            self._clamps[clamp.value] += 1
        self._last = reason

    def read(self) -> Counted:
        """A copy; its numbers may be one tick apart."""
        return Counted(self._ticks, dict(self._stops), dict(self._stops_begun), dict(self._clamps))
