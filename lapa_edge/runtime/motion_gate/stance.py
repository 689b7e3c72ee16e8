"""Where the robot stands and what it was sent: what the gate remembers of an episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.runtime.motion_gate.place import Outside, Place
from lapa_edge.runtime.standstill import Standstill
from lapa_edge.spec import ActionSpec


@dataclass(frozen=True, eq=False)
class _Sent:
    """last: None before anything was sent. moving: see `Stance.note_sent`."""

    last: list[float] | None
    velocity: list[float]
    action: NDArray[np.float32]
    moving: bool


class Stance:
    """Of one robot. Where actions are positions, it may be told nothing while its place is unknown.

    That is until one state had every position, inside of its range, and again when the command that
    was to be its first did not reach it. Once it was told something every stop must reach it.
    """

    def __init__(self, spec: ActionSpec, bundle: ActionLimits) -> None:
        self._standstill = Standstill(spec, bundle)
        self._has_positions = bool(spec.holds)
        self._at_rest = [0.0] * len(spec.names)
        self.reset()

    def reset(self) -> None:
        """A new episode: nothing measured, nothing sent."""
        self._standstill.forget()
        self._sent = self._before = _Sent(None, self._at_rest, self.standing_still(), False)
        self._outside: Outside | None = None

    @property
    def last(self) -> list[float] | None:
        """The action it was sent last; None where nothing was."""
        return self._sent.last

    @property
    def velocity(self) -> list[float]:
        """Of that action, m/s and rad/s ``[a]``."""
        return self._sent.velocity

    @property
    def unsendable(self) -> str:
        """Why it may be told nothing; "" where it may."""
        if self._standstill.known:
            return ""
        return self._outside.text if self._outside else "the robot has not told where it is"

    def standing_still(self) -> NDArray[np.float32]:
        """``f32 [a]``, see `Standstill`; the caller's own."""
        return self._standstill.action()

    def see(self, state: NDArray[np.float32], place: Place) -> Outside | None:
        """Note a measured state ``f32 [s]``; what of it is in the way of the first command."""
        self._outside = None
        if not self._has_positions:
            return None
        if not self._standstill.known:
            self._outside = place.outside(state)
        if self._outside is None:
            self._standstill.see(state)
        return self._outside

    def bring_inside(self, state: NDArray[np.float32]) -> None:
        """The end of its range is to be the first command of a robot that `see` found outside."""
        self._standstill.see(state)

    def note_sent(
        self, action: NDArray[np.float32], velocity: list[float], *, moving: bool
    ) -> None:
        """What it is told, ``[a]`` each; where it may be told nothing, that is as good as nothing.

        moving: whether to stand still later means where it is measured then.
        """
        last = action.tolist() if self._standstill.known else None
        self._before, self._sent = self._sent, _Sent(last, velocity, action.copy(), moving)
        self._standstill.note_sent(action, moving=moving)

    def take_back(self) -> None:
        """The newest command was not sent after all."""
        self._sent = self._before
        self._standstill.note_sent(self._sent.action, moving=self._sent.moving)
        if self._sent.last is None:
            self._standstill.lose_place()
