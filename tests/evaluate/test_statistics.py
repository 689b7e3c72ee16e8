"""Intervals against published values and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from lapa_edge.evaluate.statistics import difference_interval, wilson_interval


def test_wilson_agrees_with_newcombes_table() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_a_difference_agrees_with_newcombes_table() -> None:
    # Newcombe 1998, Statistics in Medicine 17:873, table II, method 10.
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference_interval(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_nothing_tried_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert difference_interval(0, 0, 3, 5) == (-1.0, 1.0)


def test_wilson_covers_about_95_percent() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for solved in rng.binomial(40, 0.3, 4000):
        low, high = wilson_interval(int(solved), 40)
        hits += low <= 0.3 <= high
    assert 0.93 < hits / 4000 < 0.975
