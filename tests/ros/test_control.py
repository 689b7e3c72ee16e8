"""The node's decisions; no ROS, no threads, no clock."""

import msgspec
import numpy as np
import pytest
from bundles import tiny_spec
from control_loops import write_mixed_bundle
from hypothesis import given
from hypothesis import strategies as st
from lapa_edge_ros.control import (
    Limits,
    StateBoard,
    StopLog,
    check_cameras,
    decide,
    next_tick,
    warm_up,
)

from lapa_edge.errors import ConfigError, RuntimeInputError
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session

LIMITS = Limits(image_timeout_s=0.2, state_timeout_s=0.1)
NAMES = ("joint_0", "joint_1", "joint_2")
FRAME = np.full((16, 16, 3), 90, np.uint8)


@pytest.fixture
def session(bundle):
    """A session that has looked at time 0."""
    session = Session(bundle, "push left")
    session.accept(session.look(FRAME, 0.0))
    return session


@pytest.fixture
def board():
    """A board whose joints were all received at time 0."""
    board = StateBoard(NAMES)
    board.update(NAMES, (0.1, 0.2, 0.3), 0.0)
    return board


def test_fresh_inputs_move(session, board):
    assert decide(session, board, LIMITS, 0.0, 0.05).stopped is None


def test_no_image_stops(session, board):
    command = decide(session, board, LIMITS, None, 0.05)
    assert command.stopped == "no image since activation"
    assert not command.action.any()


def test_a_robot_without_an_image_is_held_where_it_is(tmp_path, board):
    session = Session(write_mixed_bundle(tmp_path / "mixed"), "push left")
    action = decide(session, board, LIMITS, None, 0.05).action
    assert action.tolist() == np.array([0, 0.3, 0.75, 0.1], np.float32).tolist()


def test_a_policy_of_two_cameras_is_refused():
    check_cameras(tiny_spec())
    with pytest.raises(ConfigError, match=r"cameras: expected one, .* got front, wrist"):
        check_cameras(msgspec.structs.replace(tiny_spec(), cameras=("front", "wrist")))


def test_an_old_image_stops(session, board):
    board.update(NAMES, (0.1, 0.2, 0.3), 0.3)
    command = decide(session, board, LIMITS, 0.0, 0.3)
    assert command.stopped == "image is 0.300 s old, more than 0.200 s"


def test_an_old_joint_stops_and_is_named(session, board):
    board.update(("joint_0", "joint_2"), (0.1, 0.3), 0.15)
    command = decide(session, board, LIMITS, 0.15, 0.15)
    assert command.stopped == "state: joint_1 is 0.150 s old, more than 0.100 s"


def test_a_missing_joint_stops_and_is_named(session):
    board = StateBoard(NAMES)
    board.update(("joint_0",), (0.1,), 0.0)
    command = decide(session, board, LIMITS, 0.0, 0.05)
    assert command.stopped == "state: no position yet of joint_1, joint_2"


def test_a_stop_is_the_next_last_action(session, board):
    decide(session, board, LIMITS, 0.0, 0.05)
    assert session._gate.last_action.any()
    decide(session, board, LIMITS, None, 0.05)
    assert not session._gate.last_action.any()


def test_joints_are_taken_by_name_from_several_messages():
    board = StateBoard(NAMES)
    board.update(("gripper", "joint_2", "joint_0"), (9.0, 0.3, 0.1), 0.0)
    board.update(("joint_1",), (0.2,), 0.05)
    state, reason = board.read(0.08, 0.1)
    assert reason is None
    assert state == pytest.approx([0.1, 0.2, 0.3])


def test_names_without_positions_are_refused(board):
    with pytest.raises(RuntimeInputError, match="one position per name, got 3 and 0"):
        board.update(NAMES, (), 0.0)


def test_a_policy_without_state_needs_no_message():
    state, reason = StateBoard(()).read(100.0, 0.1)
    assert (len(state), reason) == (0, None)


@given(st.floats(0, 1e5), st.floats(-0.01, 50), st.floats(0.001, 1))
def test_the_next_tick_lies_ahead_on_the_grid(deadline_s, late_s, period_s):
    now_s = deadline_s + late_s
    following_s, missed = next_tick(deadline_s, now_s, period_s)
    slack_s = 1e-9 + 1e-12 * now_s
    assert following_s > now_s - slack_s
    assert following_s <= max(now_s, deadline_s) + period_s + slack_s
    assert following_s == pytest.approx(deadline_s + (missed + 1) * period_s)
    assert missed >= 0


def test_a_late_tick_skips_what_it_missed():
    assert next_tick(1.0, 1.001, 0.01) == pytest.approx((1.01, 0))
    assert next_tick(1.0, 1.035, 0.01) == pytest.approx((1.04, 3))


def test_the_log_says_once_why_it_stops_and_that_it_moves():
    log, stop = StopLog(repeat_s=2.0), Command(np.zeros(1, np.float32), "no image", 0, 0.0)
    move = Command(np.ones(1, np.float32), None, 0, 0.0)
    lines = [log.line(c, t) for t, c in enumerate([move, stop, stop, stop, stop, move, move])]
    assert lines == [
        None,
        "stopped: no image",
        None,
        "stopped: no image",
        None,
        "moving: every input is fresh",
        None,
    ]


def test_warming_up_leaves_no_trace(bundle):
    session = Session(bundle, "push left")
    warm_up(session)
    assert session.act(np.zeros(3, np.float32), 0.0).stopped == "the policy has not looked yet"
