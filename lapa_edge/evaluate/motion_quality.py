"""How smoothly a robot was driven: the jump where a new latent takes over, and the path's jerk."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import DataError

Actions = NDArray[np.floating[Any]]  # [t, a]


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    """Mean change of the action from one tick to the next, by what happened at the later tick.

    at: where a new latent took over; between: everywhere else, both in the unit of the actions;
    count: hand-overs; NaN stands where there was nothing to measure.
    """

    at: float
    between: float
    count: int

    @property
    def ratio(self) -> float:
        """How many times the ordinary change a hand-over is; NaN where that change is 0."""
        return self.at / self.between if self.between > 0 else float("nan")


def hand_over_jump(actions: Actions, took_over: NDArray[np.bool_]) -> HandOver:
    """The velocity jump at hand-overs, beside the change between the other ticks.

    Args:
        actions: ``[t, a]``, what was commanded tick by tick; give normalised actions, or
            dimensions of one unit, since a change is the Euclidean length over them.
        took_over: ``[t]``, whether the tick was the first of a new latent.

    Raises:
        DataError: the two differ in length.
    """
    if actions.ndim != 2 or took_over.shape != actions.shape[:1]:
        problem = f"expected actions [t, a] and took_over [t], got {actions.shape}"
        raise DataError("hand-over", f"{problem} and {took_over.shape}")
    change = np.linalg.norm(np.diff(actions.astype(np.float64), axis=0), axis=1)  # [t - 1]
    at = took_over[1:].astype(bool)
    return HandOver(at=_mean(change[at]), between=_mean(change[~at]), count=int(at.sum()))


def path_jerk(actions: Actions, hz: float) -> float:
    """Root mean square of the actions' second derivative, per s^2; NaN below three ticks.

    For velocities or displacements per tick ``[t, a]`` that is the jerk of the path they command.
    """
    if len(actions) < 3:
        return float("nan")
    second = np.diff(actions.astype(np.float64), n=2, axis=0) * hz**2  # [t - 2, a]
    return float(np.sqrt((second**2).sum(axis=1).mean()))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
