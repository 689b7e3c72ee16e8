"""Judges from outside whether a command moved the robot while a stop was due.

It knows what was sent to the node, when, and what a driver then heard; nothing of the node itself.
Times are monotonic seconds. Two claims, so that neither a reckless nor a dead node passes:

    a stop is due  -> no command moves
    all is well    -> every command moves
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

INPUT_MARGIN_S = 0.1  # after an input's timeout
ORDER_MARGIN_S = 0.05  # after an order to stop
WELL_S = 1.0  # how long everything was well before the node has to have noticed


@dataclass
class Sent:
    """What went to the node. Each list is in the order of time and is only appended to.

    images, states: when a good one was out. orders: for each kind of order to stand still, pairs
    of when it was out and when it was taken back; None where it still holds. spoiled: when an image
    or a state that is not good went out: the node may stop for it at once.
    """

    images: list[float] = field(default_factory=list)
    states: list[float] = field(default_factory=list)
    orders: dict[str, list[list[float | None]]] = field(default_factory=dict)
    spoiled: list[float] = field(default_factory=list)

    def begin(self, order, now_s):
        """The robot was ordered to stand still; a repetition changes nothing."""
        spans = self.orders.setdefault(order, [])
        if not spans or spans[-1][1] is not None:
            spans.append([now_s, None])

    def end(self, order, now_s):
        """The order is being taken back: from here on the robot may move."""
        spans = self.orders.get(order, [])
        if spans and spans[-1][1] is None:
            spans[-1][1] = now_s


@dataclass(frozen=True)
class Verdict:
    """missed: by cause, how many commands moved while that stop was due. commands, moves: heard.
    well: how many were heard while all was well, idle: how many of those did not move.
    longest_gap_s: the longest time without a command.
    """

    commands: int
    moves: int
    missed: dict[str, int]
    well: int
    idle: int
    longest_gap_s: float


def judge(sent, arrived_s, moves, image_timeout_s, state_timeout_s):
    """Judge every command.

    Args:
        sent: what the node was told.
        arrived_s: f64 [n], when each command arrived. moves: bool [n], whether it moves.
    """
    arrived_s, moves = np.asarray(arrived_s, float), np.asarray(moves, bool)
    inputs = {
        "image": (np.array(sent.images), image_timeout_s),
        "state": (np.array(sent.states), state_timeout_s),
    }
    due, well = {}, _age(np.sort(sent.spoiled), arrived_s) > WELL_S
    for name, (times_s, timeout_s) in inputs.items():
        due[name] = _age(times_s, arrived_s) > timeout_s + INPUT_MARGIN_S
        well &= _steady(times_s, arrived_s, timeout_s / 2)
    for name, spans in sent.orders.items():
        due[name] = _inside(spans, arrived_s, ORDER_MARGIN_S, 0.0)
        well &= ~_inside(spans, arrived_s, 0.0, WELL_S)
    return Verdict(
        commands=len(moves),
        moves=int(moves.sum()),
        missed={name: int((moves & when).sum()) for name, when in due.items()},
        well=int(well.sum()),
        idle=int((well & ~moves).sum()),
        longest_gap_s=float(np.diff(arrived_s).max(initial=0.0)),
    )


def _age(times_s, now_s):
    """Seconds since the last of `times_s`, for each of `now_s`; infinite before the first."""
    return now_s - np.concatenate(([-np.inf], times_s))[np.searchsorted(times_s, now_s, "right")]


def _steady(times_s, now_s, gap_s):
    """Whether the last `WELL_S` before each of `now_s` had no gap as long as `gap_s`."""
    gaps = np.diff(times_s, prepend=-np.inf)
    # A gap that ended at t counts against every moment until t + WELL_S.
    ended_s = times_s[gaps >= gap_s]
    return (_age(ended_s, now_s) > WELL_S) & (_age(times_s, now_s) < gap_s)


def _inside(spans, now_s, after_s, until_s):
    """Whether each of `now_s` lies in a span that begins and ends that much later."""
    inside = np.zeros(len(now_s), bool)
    for begin_s, end_s in spans:
        over = end_s is not None and now_s >= end_s + until_s
        inside |= (now_s >= begin_s + after_s) & ~np.asarray(over)
    return inside
