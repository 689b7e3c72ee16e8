"""Smoothness: hand-overs stand out where they jump, and jerk is that of the commanded path."""

import math

import numpy as np
import pytest

from lapa_edge.errors import DataError
from lapa_edge.evaluate.motion_quality import hand_over_jump, path_jerk


def test_a_jump_at_hand_overs_is_told_from_the_ticks_between():
    took_over = np.arange(20) % 5 == 0
    actions = np.cumsum(np.where(took_over, 3.0, 1.0))[:, None]
    found = hand_over_jump(actions, took_over)
    assert (found.at, found.between, found.count, found.ratio) == (3.0, 1.0, 3, 3.0)


def test_a_change_is_the_length_over_all_dimensions():
    found = hand_over_jump(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([True, True]))
    assert found.at == 5.0
    assert math.isnan(found.between)
    assert math.isnan(found.ratio)


def test_actions_and_hand_overs_of_different_length_are_refused():
    with pytest.raises(DataError, match=r"expected actions \[t, a\] and took_over \[t\]"):
        hand_over_jump(np.zeros((4, 2)), np.zeros(3, bool))


def test_a_steady_speed_up_has_no_jerk_and_a_parabola_has_its_own():
    t = np.arange(30)[:, None] / 10.0
    assert path_jerk(2 * t, hz=10) == pytest.approx(0, abs=1e-9)
    assert path_jerk(1.5 * t**2, hz=10) == pytest.approx(3.0)
    assert math.isnan(path_jerk(t[:2], hz=10))
