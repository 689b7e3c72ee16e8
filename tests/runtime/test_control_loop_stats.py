"""Percentiles of the native loop's histograms."""

import numpy as np
from bundles import write_tiny_bundle

from lapa_edge import _native
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_stats import summarise


def test_percentiles_are_at_most_three_percent_above_what_occurred():
    ends = _native.histogram_ends()
    values = np.sort(np.random.default_rng(0).lognormal(10, 2, 4999).astype(np.int64))
    counts = np.bincount(np.searchsorted(ends, values, side="right"), minlength=len(ends))
    found = summarise(counts, int(values[-1]))
    for percent, got_s in ((50, found.p50_s), (99, found.p99_s), (99.9, found.p999_s)):
        exact = np.percentile(values, percent, method="inverted_cdf")
        assert exact <= got_s * 1e9 <= exact * 1.032
    assert found.max_s == values[-1] / 1e9


def test_a_histogram_of_nothing_has_no_percentiles(tmp_path):
    loop = ControlLoop(write_tiny_bundle(tmp_path / "tiny"))
    assert np.isnan(loop.stats().execution.p50_s)
