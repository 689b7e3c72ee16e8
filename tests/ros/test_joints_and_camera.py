"""What the node knows of joints and images at a time; no ROS, no clock."""

import numpy as np
import pytest
from lapa_edge_ros.camera import Camera
from lapa_edge_ros.joints import StateBoard
from lapa_edge_ros.mailbox import Mailbox
from node_parts import frame

from lapa_edge.errors import RuntimeInputError
from lapa_edge.runtime.motion_gate.facts import AgeLimits

NAMES = ("joint_0", "joint_1", "joint_2")
AGES = AgeLimits(max_latent_age_s=0.5)


def test_joints_are_gathered_by_name_from_several_messages():
    board = StateBoard(NAMES)
    board.update(("wheel", "joint_2", "joint_0"), (9.0, 0.3, 0.1), 1.0)
    assert board.read(1.0) is None
    assert board.why_not(1.0, 0.2) == "state: no position yet of joint_1"
    board.update(("joint_1",), (0.2,), 1.1)
    state, received_s = board.read(1.2)
    assert state.tolist() == np.float32([0.1, 0.2, 0.3]).tolist()
    assert received_s == 1.0, "as old as its oldest joint"


def test_a_state_that_is_old_or_not_finite_may_not_be_used():
    board = StateBoard(NAMES)
    board.update(NAMES, (0.1, 0.2, 0.3), 1.0)
    assert board.why_not(1.2, 0.25) is None
    assert board.why_not(1.3, 0.25) == "state is 0.300 s old, more than 0.250 s"
    board.update(NAMES[:1], (float("nan"),), 1.0)
    assert board.why_not(1.0, 0.25) == "state is not finite"


def test_a_message_that_contradicts_itself_changes_nothing():
    board = StateBoard(NAMES)
    with pytest.raises(RuntimeInputError, match="got 3 and 2"):
        board.update(NAMES, (0.1, 0.2), 1.0)
    assert board.missing() == list(NAMES)


def test_a_policy_without_a_state_has_just_heard_of_all_of_it():
    state, received_s = StateBoard(()).read(7.0)
    assert state.shape == (0,)
    assert received_s == 7.0


def test_the_mailbox_keeps_only_the_newest_and_counts_the_others():
    box = Mailbox()
    box.put(frame(1.0))
    box.put(frame(2.0))
    assert box.take(0.0).received_s == 2.0
    assert box.take(0.0) is None
    assert box.replaced == 1


@pytest.mark.parametrize(
    ("stamp_s", "seen"),
    [(1000.0, True), (999.5, True), (999.4, False), (1000.04, True), (1000.1, False), (0.0, False)],
)
def test_the_policy_looks_at_no_image_whose_stamp_is_out_of_time(stamp_s, seen):
    camera = Camera()
    assert camera.hear(frame(5.0, stamp_s), 1000.0, AGES) is seen
    assert camera.received_s == 5.0
    assert camera.refused == (not seen)


def test_the_stamp_to_answer_for_is_that_of_the_image_looked_at():
    camera = Camera()
    assert camera.stamp_s(1000.0) is None
    seen = frame(5.0, 999.8)
    camera.hear(seen, 1000.0, AGES)
    camera.looked_at(seen)
    camera.hear(frame(5.1, 999.9), 1000.0, AGES)
    assert camera.stamp_s(1000.0) == 999.8


def test_a_stamp_from_the_future_is_answered_for_before_an_older_one():
    camera = Camera()
    camera.looked_at(frame(5.0, 999.8))
    camera.hear(frame(5.1, 1003.0), 1000.0, AGES)
    assert camera.stamp_s(1000.0) == 1003.0


def test_an_image_without_a_stamp_is_older_than_any_limit():
    camera = Camera()
    camera.hear(frame(5.0, 0.0), 1000.0, AGES)
    assert camera.stamp_s(1000.0) == float("-inf")


def test_the_rate_counts_the_last_two_seconds():
    camera = Camera()
    for i in range(100):
        camera.hear(frame(i / 10), 1000.0, AGES)
    assert camera.rate_hz(9.9) == pytest.approx(10, abs=0.6)
    assert camera.rate_hz(20.0) == 0


def test_joints_of_which_there_is_no_news_are_named():
    board = StateBoard(("shoulder", "elbow", "wrist"))
    board.update(("shoulder",), (0.1,), 1.0)
    board.update(("elbow",), (0.1,), 1.3)
    assert board.late(1.4, 0.2) == ["shoulder", "wrist"]
    assert board.late(1.1, 0.2) == ["wrist"]
