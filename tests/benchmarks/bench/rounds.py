"""Interleaved measurement of calls that take from tens of nanoseconds to milliseconds.

A shared machine changes from one second to the next: clock rate, neighbours, caches. So every
candidate runs once per round, in an order drawn anew, and what is compared are the times of one
round. Within a round a candidate makes a block of calls, since the clock alone costs as much as
the fastest of them. The first calls of a block only bring its data back into the caches.

The clock is the process's own, of all its threads: what others take from the core between two
calls is left out. That is the work a kernel takes, not the latency of a loop: control_loop.py
measures that, by the monotonic clock.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

Run = Callable[[int], object]  # makes that many calls in a row
Clock = Callable[[], int]  # nanoseconds


def repeated(call: Callable[[], object]) -> Run:
    """Calls in a row at the least cost that Python has for it: about 10 ns each."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            call()

    return run


@dataclass(frozen=True)
class Block:
    """Calls of one candidate in one round: `warm` uncounted ones, then `calls` that are timed."""

    run: Run
    calls: int
    warm: int


def plan_block(run: Run, block_us: float, clock: Clock = time.process_time_ns) -> Block:
    """As many calls as take about `block_us`, at least 1.

    One that takes four times as long by itself is not warmed up: it would double the run, and
    what the first touch of its data costs it is little.
    """
    run(1)
    calls, took_us = 1, 0.0
    while took_us < block_us / 4:
        start = clock()
        run(calls)
        took_us = (clock() - start) / 1e3
        calls *= 2
    calls //= 2
    fitting = max(1, round(calls * block_us / took_us))
    slow = calls == 1 and took_us > 4 * block_us
    return Block(run, fitting, 0 if slow else 1 + fitting // 8)


def measure_rounds(
    blocks: Sequence[Block],
    rounds: int,
    rng: np.random.Generator,
    clock: Clock = time.process_time_ns,
) -> Iterator[NDArray[np.float64]]:
    """One round at a time: the microseconds of one call of each candidate, [len(blocks)].

    Args:
        blocks: of each candidate.
        rounds: how many to yield.
        rng: draws the order within a round.
        clock: nanoseconds.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            took_us = np.empty(len(blocks))
            for index in rng.permutation(len(blocks)):
                block = blocks[index]
                block.run(block.warm)
                start = clock()
                block.run(block.calls)
                took_us[index] = (clock() - start) / block.calls / 1e3
            yield took_us
    finally:
        if collecting:
            gc.enable()
