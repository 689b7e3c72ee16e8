"""One control tick at absolute deadlines: native, in a Python thread, in asyncio.

A tick is the same everywhere: normalise, run the head, clamp. Missed is a deadline whose tick
began more than a tenth of a period late, or was skipped altogether.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lapa_edge.artifact import Bundle
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.session import Session
from loops.robot import FOREVER_S, draw_latent, draw_state

FIFO_PRIORITY = 80
Tick = Callable[[float], object]


@dataclass(frozen=True)
class Punctuality:
    """How late ticks began, microseconds after their deadlines."""

    ticks: int
    missed_percent: float
    p50_us: float
    p99_us: float
    max_us: float


def run_native(bundle: Bundle, rate_hz: float, seconds: float) -> Punctuality:
    """The native loop as anybody may start it."""
    return _run_loop(bundle, LoopOptions(rate_hz=rate_hz, max_state_age_s=FOREVER_S), seconds)


def run_native_fifo(bundle: Bundle, rate_hz: float, seconds: float) -> Punctuality:
    """The native loop with a real-time priority and locked memory; needs the right to them."""
    options = LoopOptions(
        rate_hz=rate_hz, max_state_age_s=FOREVER_S, priority=FIFO_PRIORITY, lock_memory=True
    )
    return _run_loop(bundle, options, seconds)


def run_thread(bundle: Bundle, rate_hz: float, seconds: float) -> Punctuality:
    """A Python thread that sleeps from deadline to deadline."""
    record, tick = Record(rate_hz, seconds), build_tick(bundle)

    def run() -> None:
        while True:
            time.sleep(max(0.0, record.next_deadline_s - time.monotonic()))
            if not record.run(tick):
                return

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return record.summarise()


def run_asyncio(bundle: Bundle, rate_hz: float, seconds: float) -> Punctuality:
    """A coroutine that does the same."""
    record, tick = Record(rate_hz, seconds), build_tick(bundle)

    async def run() -> None:
        while True:
            await asyncio.sleep(max(0.0, record.next_deadline_s - time.monotonic()))
            if not record.run(tick):
                return

    asyncio.run(run())
    return record.summarise()


LOOPS = {
    "native": run_native,
    "native, FIFO": run_native_fifo,
    "Python thread": run_thread,
    "asyncio": run_asyncio,
}


@dataclass
class Record:
    """The grid of deadlines, and how late each tick began."""

    rate_hz: float
    seconds: float
    next_deadline_s: float = field(init=False)
    late_s: list[float] = field(default_factory=list)
    skipped: int = 0

    def __post_init__(self) -> None:
        self.next_deadline_s = time.monotonic() + 1 / self.rate_hz
        self._end_s = self.next_deadline_s + self.seconds

    def run(self, tick: Tick) -> bool:
        """One tick at the deadline that has come; whether there is another."""
        begin_s = time.monotonic()
        self.late_s.append(begin_s - self.next_deadline_s)
        tick(begin_s)
        past = max(0, int((time.monotonic() - self.next_deadline_s) * self.rate_hz))
        self.skipped += past
        self.next_deadline_s += (past + 1) / self.rate_hz
        return self.next_deadline_s < self._end_s

    def summarise(self) -> Punctuality:
        """Percentiles, and the share of deadlines that were missed."""
        late_s = np.array(self.late_s)
        missed = int((late_s > 0.1 / self.rate_hz).sum()) + self.skipped
        p50, p99 = np.percentile(late_s, (50, 99), method="higher") * 1e6
        return Punctuality(
            ticks=len(late_s),
            missed_percent=100 * missed / (len(late_s) + self.skipped),
            p50_us=float(p50),
            p99_us=float(p99),
            max_us=float(late_s.max() * 1e6),
        )


def build_tick(bundle: Bundle) -> Tick:
    """The session's act, with the native head."""
    session, state = Session(bundle, "reach"), draw_state(bundle)
    session.accept(draw_latent(bundle, time.monotonic()))
    return lambda now_s: session.act(state, now_s)


def _run_loop(bundle: Bundle, options: LoopOptions, seconds: float) -> Punctuality:
    loop = ControlLoop(bundle, options)
    loop.set_latent(draw_latent(bundle, time.monotonic()))
    loop.set_observation(draw_state(bundle), time.monotonic())
    with loop:
        time.sleep(seconds)
    stats = loop.stats()
    assert stats.statuses["moving"] == stats.ticks, stats.statuses
    return Punctuality(
        ticks=stats.ticks,
        missed_percent=100 * (stats.late + stats.skipped) / (stats.ticks + stats.skipped),
        p50_us=stats.lateness.p50_s * 1e6,
        p99_us=stats.lateness.p99_s * 1e6,
        max_us=stats.lateness.max_s * 1e6,
    )
