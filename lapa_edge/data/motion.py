"""Which actions were executed between two frames of a clip: sums of the recorded steps.

Where an action is a displacement per step, the sum is the way the robot went in between. For the
Language Table dataset it is exactly the difference of the effector's target over the gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Episode

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ExecutedActions:
    """Running sums of an episode's actions, ready to be cut at its frames.

    Attributes:
        taken: int64 [frames], steps that began before each frame.
        running: float64 [t + 1, a], sum of the first 0, 1, ... t actions.
    """

    taken: Indices
    running: NDArray[np.float64]

    def count(self, first: Indices, second: Indices) -> Indices:
        """int64 [b]: steps executed from frames `first` [b] to frames `second` [b]."""
        return self.taken[second] - self.taken[first]

    def total(self, first: Indices, second: Indices) -> NDArray[np.float64]:
        """float64 [b, a]: the sum of those actions; zero where there was none."""
        return self.running[self.taken[second]] - self.running[self.taken[first]]


def executed_actions(episode: Episode, frame_count: int) -> ExecutedActions:
    """The actions of a labelled episode, by the `frame_count` frames that were decoded."""
    steps = episode.steps
    assert steps is not None
    before = np.zeros((1, steps.action.shape[1]))
    # A step at a frame's own time is yet to come; the shift keeps that so in spite of rounding.
    frame_s = np.arange(frame_count) / episode.fps - 1e-6
    return ExecutedActions(
        taken=np.searchsorted(steps.time_s, frame_s).astype(np.int64),
        running=np.concatenate([before, steps.action]).cumsum(0),
    )
