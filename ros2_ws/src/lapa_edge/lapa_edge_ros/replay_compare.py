"""Two series of actions in, how far they lie apart out: the node's against those recorded.

No ROS and no clock: times are seconds since the bag's first message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import DataError


@dataclass(frozen=True, eq=False)
class Actions:
    """One topic's actions: ``times_s`` f64 [m] ascending, ``values`` f64 [m, a].

    names: of the a dimensions; empty where the messages tell none.
    """

    topic: str
    names: tuple[str, ...]
    times_s: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Dimension:
    """Errors of one dimension, in its own unit; correlation None where either never changes."""

    name: str
    mean_error: float
    max_error: float
    correlation: float | None


@dataclass(frozen=True)
class Comparison:
    """What a replay found.

    matched: recorded actions that have one of the node's close enough in time; unmatched: those
    that have none, such as all from before its first look.
    """

    matched: int
    unmatched: int
    dimensions: tuple[Dimension, ...]

    @property
    def worst(self) -> Dimension:
        """The dimension with the highest mean error."""
        return max(self.dimensions, key=lambda dimension: dimension.mean_error)

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def collect_actions(
    topic: str, series: Sequence[tuple[float, tuple[str, ...], Sequence[float]]]
) -> Actions:
    """One topic's (time in s, names, values), as they came, as arrays.

    Raises:
        DataError: none, their names or number change, or one is not finite.
    """
    if not series:
        raise DataError(f"actions {topic}", "expected at least one, got none")
    names, width = series[0][1], len(series[0][2])
    for time_s, others, values in series:
        if others != names or len(values) != width:
            got = ", ".join(others) or f"{len(values)} without names"
            first = ", ".join(names) or f"{width} without names"
            raise DataError(f"actions {topic}", f"expected {first} throughout, got {got}")
        if not np.isfinite(values).all():
            raise DataError(f"actions {topic}", f"not finite {time_s:.3f} s into the bag")
    times_s = np.array([time_s for time_s, _, _ in series], np.float64)
    return Actions(topic, names, times_s, np.array([v for _, _, v in series], np.float64))


def compare_actions(recorded: Actions, ours: Actions, match_s: float) -> Comparison:
    """Compare each recorded action with the node's nearest in time, at most ``match_s`` away.

    Dimensions go by name where both have names, else by place.

    Raises:
        DataError: other dimensions, or no two actions close enough in time.
    """
    values = ours.values[:, _places(recorded, ours)]
    after = np.searchsorted(ours.times_s, recorded.times_s).clip(1, len(ours.times_s) - 1)
    if len(ours.times_s) == 1:
        after = np.zeros(len(recorded.times_s), np.int64)
    before = np.maximum(after - 1, 0)
    earlier = recorded.times_s - ours.times_s[before] <= ours.times_s[after] - recorded.times_s
    nearest = np.where(earlier, before, after)
    close = np.abs(ours.times_s[nearest] - recorded.times_s) <= match_s
    if not close.any():
        raise DataError(
            f"actions {recorded.topic}",
            f"none of {len(close)} has one on {ours.topic} within {match_s} s",
            "the node stood still or the bag is too short; see its log and diagnostics",
        )
    wanted, got = recorded.values[close], values[nearest[close]]  # [matched, a]
    names = recorded.names or ours.names or tuple(str(i) for i in range(wanted.shape[1]))
    return Comparison(
        matched=int(close.sum()),
        unmatched=int((~close).sum()),
        dimensions=tuple(_dimension(name, wanted[:, i], got[:, i]) for i, name in enumerate(names)),
    )


def _places(recorded: Actions, ours: Actions) -> list[int]:
    """Where each recorded dimension stands among ours."""
    width = recorded.values.shape[1]
    named = recorded.names and ours.names
    if named and set(recorded.names) == set(ours.names):
        return [ours.names.index(name) for name in recorded.names]
    if named or width != ours.values.shape[1]:
        wanted = ", ".join(recorded.names) or f"{width} numbers"
        got = ", ".join(ours.names) or f"{ours.values.shape[1]} numbers"
        raise DataError(
            f"actions {ours.topic}",
            f"expected those of {recorded.topic} ({wanted}), got {got}",
            "choose the output_type, or the topic, that carries the same",
        )
    return list(range(width))


def _dimension(name: str, wanted: NDArray[np.float64], got: NDArray[np.float64]) -> Dimension:
    error = np.abs(got - wanted)
    varies = len(wanted) > 1 and np.ptp(wanted) > 0 and np.ptp(got) > 0
    correlation = float(np.corrcoef(wanted, got)[0, 1]) if varies else None
    return Dimension(name, float(error.mean()), float(error.max()), correlation)
