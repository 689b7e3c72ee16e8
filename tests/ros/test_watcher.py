"""The soak's watcher: it sees a command that should not have moved, and one that should have."""

import numpy as np
import pytest
from watcher import Sent, judge

TIMES_S = np.arange(0.0, 5.0, 0.01)


def fed(until_s=5.0):
    """Images and states that come steadily up to some time."""
    return Sent(images=list(np.arange(0.0, until_s, 1 / 30)), states=list(np.arange(0, 5, 0.02)))


def verdict(sent, moves):
    return judge(sent, TIMES_S, moves, 0.2, 0.2)


def test_a_robot_that_moves_while_all_is_well_is_fine():
    found = verdict(fed(), np.ones(500))
    assert not any(found.missed.values())
    assert found.well > 390
    assert found.idle == 0
    assert found.longest_gap_s == pytest.approx(0.01)


def test_one_move_after_the_image_timed_out_is_missed():
    sent = fed(until_s=2.0)
    moves = sent.images[-1] + 0.25 > TIMES_S
    assert verdict(sent, moves).missed["image"] == 0
    moves[-1] = True
    assert verdict(sent, moves).missed == {"image": 1, "state": 0}


@pytest.mark.parametrize(("late_s", "missed"), [(0.045, 0), (0.065, 1)])
def test_a_move_is_missed_from_50_ms_after_an_estop_on(late_s, missed):
    sent = fed()
    sent.begin("estop", 3.0)
    found = judge(sent, [2.9, 3.0 + late_s], [True, True], 0.2, 0.2)
    assert found.missed["estop"] == missed


def test_an_order_holds_until_it_is_taken_back_however_often_it_came():
    sent = fed()
    for now_s in (1.0, 1.1, 1.2):
        sent.begin("estop", now_s)
    sent.end("estop", 3.0)
    moves = (TIMES_S < 1.0) | (TIMES_S > 3.0)
    assert verdict(sent, moves).missed["estop"] == 0
    moves[250] = True
    assert verdict(sent, moves).missed["estop"] == 1


def test_a_robot_that_stands_still_while_all_is_well_is_idle():
    moves = np.ones(500, bool)
    moves[400:410] = False
    assert verdict(fed(), moves).idle == 10
    sent = fed()
    sent.spoiled = [3.9, 1.0]  # in whatever order two threads noted them
    assert verdict(sent, moves).idle == 0


def test_nobody_has_to_move_soon_after_a_gap_or_an_order():
    sent = fed()
    del sent.images[60:75]  # 2.0 to 2.5 s
    sent.begin("stop", 4.0)
    sent.end("stop", 4.1)
    assert verdict(sent, (TIMES_S < 2.1) | ((TIMES_S > 3.4) & (TIMES_S < 4.0))).idle == 0


def test_before_the_first_image_every_move_is_missed():
    assert judge(Sent(), [1.0], [True], 0.2, 0.2).missed == {"image": 1, "state": 1}
