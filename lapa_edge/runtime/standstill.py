"""What makes the robot stand still, dimension by dimension, as `ActionSpec.kinds` says.

A displacement or a velocity stops at the spec's ``stop``. A position would drive the robot there:
it stops where it was measured last, before it was told to stand still. It stays at that position
until the robot moves again, since a target that follows the measurement sinks with the arm. A
gripper keeps its last command, or it would drop what it holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.action_limits import ActionLimits
from lapa_edge.spec import ActionSpec


class Standstill:
    """The stop action, kept up to date by what is measured and what is sent."""

    def __init__(self, spec: ActionSpec, limits: ActionLimits) -> None:
        holds = np.array(spec.holds, np.int64).reshape(-1, 2)
        self._positions, self._measured_by = holds[:, 0], holds[:, 1]
        self._grippers = np.array(spec.grippers, np.int64)
        self._limits = limits
        self.forget()

    def forget(self) -> None:
        """A new episode: nothing measured, nothing sent."""
        self._action = self._limits.stop.copy()
        self._known = len(self._positions) == 0
        self._moving = False

    def lose_place(self) -> None:
        """The positions are unknown again, until one state has all; grippers keep their command."""
        self._known = len(self._positions) == 0
        self._moving = False

    @property
    def known(self) -> bool:
        """Whether one state had every position in this episode: else the action is a guess."""
        return self._known

    def see(self, state: NDArray[np.float32]) -> None:
        """Note a measured state ``f32 [s]``; of one that is not finite, the values that are.

        Until all are known the arm was sent nothing: a hand may move it, and each is followed.
        """
        measured, at = state[self._measured_by], self._positions
        finite = np.isfinite(measured)
        taken = finite & (self._moving or not self._known)
        bounded = np.clip(measured, self._limits.low[at], self._limits.high[at])
        self._action[at[taken]] = bounded[taken]
        self._known |= bool(finite.all())

    def note_sent(self, action: NDArray[np.float32], *, moving: bool) -> None:
        """Note what the robot was told, ``f32 [a]``, and whether it was told to move."""
        self._action[self._grippers] = action[self._grippers]
        self._moving = moving

    def action(self) -> NDArray[np.float32]:
        """``f32 [a]``, finite and within the limits; the caller's own."""
        return self._action.copy()


def standing_still(
    spec: ActionSpec, state: NDArray[np.float32], last: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """What a robot measured at `state` ``[s]`` is told to stand still, ``f32 [a]``.

    `last` is what it was told before, ``[a]``; None where this is an episode's first command.
    """
    standstill = Standstill(spec, ActionLimits(spec))
    if last is not None:
        standstill.note_sent(last, moving=True)
    standstill.see(state)
    return standstill.action()
