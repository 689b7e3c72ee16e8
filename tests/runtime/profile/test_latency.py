"""Times: interleaved, after a warm-up, on the given clock; deadlines and A/A from them."""

import time

import numpy as np
import pytest

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.profile.latency import measure_parts, summarise
from lapa_edge.runtime.profile.noise import measure_noise
from lapa_edge.runtime.profile.pacing import measure_pace


def test_parts_take_turns_and_warm_up_is_not_counted():
    calls = []
    # The clock advances one microsecond per reading; the first two rounds cost more.
    cost = iter([100] * 4 + [0] * 6)
    now = 0

    def clock():
        nonlocal now
        now += 1000
        return now

    def part(name):
        def run():
            nonlocal now
            calls.append(name)
            now += next(cost) * 1000

        return run

    latency = measure_parts({"a": part("a"), "b": part("b")}, 3, 2, clock=clock)
    assert calls == ["a", "b"] * 5
    assert latency["a"].max_ms == latency["b"].max_ms == 0.001


def test_each_part_is_prepared_before_its_time_begins():
    log, now = [], iter(range(100))

    def clock():
        log.append("clock")
        return next(now)

    parts = {"a": lambda: log.append("a"), "b": lambda: log.append("b")}
    measure_parts(parts, 1, 0, clock=clock, prepare=lambda part: part())
    assert log == ["a", "clock", "a", "clock", "b", "clock", "b", "clock"]


def test_percentiles_are_times_that_occurred():
    latency = summarise(np.array([1, 2, 3, 4, 1000]) * 1_000_000)
    assert (latency.p50_ms, latency.p95_ms, latency.max_ms) == (3, 1000, 1000)
    many = summarise(np.arange(1, 2001) * 1_000_000)
    assert many.p99_ms < many.p99_9_ms < many.max_ms


@pytest.mark.parametrize(("repeats", "warm_up"), [(0, 1), (1, -1)])
def test_no_rounds_are_refused(repeats, warm_up):
    with pytest.raises(ConfigError, match="repeats and warm_up"):
        measure_parts({"a": int}, repeats, warm_up)


class Hours:
    """A clock that only sleeping and working move."""

    def __init__(self, work_s):
        self.now, self._work_s = 0.0, iter(work_s)

    def work(self):
        self.now += next(self._work_s)

    def sleep(self, seconds):
        self.now += seconds


def pace(work_s, rate_hz=8.0):
    clock = Hours(work_s)
    seconds = len(work_s) / rate_hz
    return measure_pace(clock.work, rate_hz, seconds, lambda: clock.now, clock.sleep)


def test_a_job_within_its_period_misses_nothing():
    found = pace([0.0625] * 5)
    assert (found.released, found.late, found.skipped, found.missed) == (5, 0, 0, 0.0)
    assert found.response.max_ms == 62.5


def test_a_job_past_its_period_misses_its_own_deadline_and_those_that_passed_meanwhile():
    # The second of six takes 2.5 periods: it is late, and two releases find it busy.
    found = pace([0.0625, 0.3125, 0.0625, 0.0625, 0.0625, 0.0625])
    assert (found.released, found.late, found.skipped) == (6, 3, 2)
    assert found.missed == 0.5 and found.response.repeats == 4


def test_the_rate_does_not_drift_with_the_work():
    starts = []
    measure_pace(lambda: starts.append(time.monotonic()), 50.0, 0.2)
    assert len(starts) == 10
    assert starts[-1] - starts[0] >= 9 * 0.02 - 0.01


@pytest.mark.parametrize(("rate_hz", "seconds"), [(0.0, 1.0), (10.0, 0.0), (float("nan"), 1.0)])
def test_no_rate_and_no_time_are_refused(rate_hz, seconds):
    with pytest.raises(ConfigError, match="paced run"):
        measure_pace(int, rate_hz, seconds)


def test_what_costs_the_same_twice_has_no_noise_and_what_wavers_has():
    def noise(costs):
        now, cost = 0, iter(costs)

        def part():
            nonlocal now
            now += next(cost)

        return measure_noise(part, 20, 0, clock=lambda: now)

    assert noise([500] * 40).percent == 0.0
    # A second call that costs a tenth more, whichever of the two it is: they take turns.
    assert noise([500, 550] * 20).ratio == 1.0
    # Rounds 10 to 20: A, which goes first in odd rounds, pays double.
    wavering = noise([500] * 20 + [1000, 500, 500, 1000] * 5)
    assert wavering.low < 1 <= wavering.high or wavering.high > 1 >= wavering.low
    assert wavering.percent >= 49
