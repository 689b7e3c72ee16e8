"""The ceiling that is measured: how long it goes on, and what it multiplies and reads."""

import numpy as np
import onnxruntime
import pytest

from lapa_edge.runtime.profile import peaks
from lapa_edge.runtime.profile.peaks import best_s, measure_ceiling


class Calls:
    """A call that takes so many ns one time after the other, the last of them for ever."""

    def __init__(self, *took):
        self.took, self.now, self.count = took, 0, 0

    def __call__(self):
        self.now += self.took[min(self.count, len(self.took) - 1)]
        self.count += 1

    def clock(self):
        return self.now


def test_the_best_is_kept_and_tries_go_on_until_it_has_settled():
    calls = Calls(50, 40, 100, 100, 10, 100)
    # 100 ns apart would have settled it before the fifth call, had it not been given more.
    assert best_s(calls, settle_s=250e-9, limit_s=1, clock=calls.clock) == 10e-9
    assert calls.count == 5 + 3


def test_one_percent_is_no_improvement_that_prolongs():
    calls = Calls(1000, 995, 993, 992)
    assert best_s(calls, settle_s=1900e-9, limit_s=1, clock=calls.clock) == 993e-9
    assert calls.count == 3


def test_what_never_settles_ends_at_its_limit():
    calls = Calls(*range(1000, 0, -20))
    assert best_s(calls, settle_s=1, limit_s=2900e-9, clock=calls.clock) == 960e-9
    assert calls.count == 3


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_product_that_is_timed_is_one_of_matrices_in_that_precision(precision):
    operator, kinds, dtypes = peaks._PRODUCTS[precision]
    session = onnxruntime.InferenceSession(
        peaks._encode_product(operator, *kinds), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    a = rng.integers(0, 100, (3, 5)).astype(dtypes[0])
    b = rng.integers(-100, 100, (5, 2)).astype(dtypes[1])
    (got,) = session.run(None, {"a": a, "b": b})
    assert got.dtype == (np.float32 if precision == "fp32" else np.int32)
    np.testing.assert_array_equal(got, a.astype(np.int64) @ b.astype(np.int64))


def take_one_ms(call):
    call()
    return 1e-3


@pytest.mark.parametrize("threads", [1, 3])
def test_every_weight_is_read_once_by_some_thread_and_every_product_counted(monkeypatch, threads):
    monkeypatch.setattr(peaks, "best_s", take_one_ms)
    ceiling = measure_ceiling(threads, "int8", 40_000_000)
    assert ceiling.measured and "int8" in ceiling.source
    assert ceiling.bandwidth_gb_s == pytest.approx(40)
    assert ceiling.gflop_s == pytest.approx(2e-9 * 384**3 / 1e-3)


def test_a_precision_that_is_not_measured_has_no_peak_and_says_so(monkeypatch):
    monkeypatch.setattr(peaks, "best_s", take_one_ms)
    ceiling = measure_ceiling(1, "fp16", 4_000_000)
    assert ceiling.gflop_s is None and "fp16 is not measured" in ceiling.source
