"""An arm that begins out of its range: a command within it would make it jump."""

import numpy as np
import pytest
from motion_gates import LATE, arm_robot, build_gate, robot, run

from lapa_edge.runtime.motion_gate.reasons import StopReason

ARM = arm_robot()  # -2 to 2 rad; states are joint_2, joint_1
STEP = 0.02


def at(gate, joint_1, joint_2=0.0, **changes):
    return run(gate, (0, 0, 0), state=(joint_2, joint_1), **changes)[0]


@pytest.fixture
def gate():
    return build_gate(ARM, max_joint_step_rad=STEP)


def test_an_arm_far_outside_is_sent_nothing_and_told_why(gate):
    command = at(gate, 2.5)
    assert (command.reason, command.sendable) == (StopReason.STATE_OUT_OF_RANGE, False)
    assert command.stopped == (
        "joint_1 stands at 2.5 rad, outside of the -2 to 2 rad that the policy was trained in; "
        "bring it inside"
    )


@pytest.mark.parametrize("stop", ["late", "disabled", "pressed", "ended"])
def test_to_stand_still_is_a_command_as_well_and_is_not_sent(gate, stop):
    if stop == "disabled":
        gate.latches.enable(False)
    if stop == "pressed":
        gate.latches.set_estop(True)
    assert not at(gate, 2.5, **(LATE if stop == "late" else {})).sendable
    assert not gate.end("test").sendable


def test_brought_inside_by_hand_it_moves_on_from_there(gate):
    at(gate, -2.5, 2.5)
    assert not at(gate, 0.5, 2.5).sendable
    command = at(gate, 0.5, 1.5)
    assert (command.reason, command.sendable) == (None, True)
    assert command.action[:2] == pytest.approx([0.48, 1.48])


def test_a_little_outside_it_is_brought_to_the_end_before_it_moves(gate):
    first, second = at(gate, 2.015), at(gate, 2.015)
    assert (first.reason, first.sendable) == (StopReason.STATE_OUT_OF_RANGE, True)
    assert first.action[0] == 2.0
    assert second.reason is None
    assert second.action[0] == pytest.approx(1.98)


def test_an_arm_that_was_sent_a_command_may_be_pushed_outside(gate):
    at(gate, 1.9)
    assert at(gate, 2.5).reason is None
    assert at(gate, 2.5, **LATE).sendable
    gate.reset()
    assert not at(gate, 2.5).sendable


def test_a_command_that_was_taken_back_was_not_sent(gate):
    at(gate, 1.9)
    gate.take_back()
    assert at(gate, 2.5).reason is StopReason.STATE_OUT_OF_RANGE


@pytest.mark.parametrize(("beyond", "sendable"), [(0.039, True), (0.041, False)])
def test_without_a_step_limit_a_hundredth_of_the_range_is_no_matter(beyond, sendable):
    assert at(build_gate(ARM), -2 - beyond).sendable is sendable


@pytest.mark.parametrize(("beyond", "sendable"), [(1.1, True), (1.2, False)])
def test_a_step_limit_holds_in_the_unit_of_the_action(beyond, sendable):
    degrees = robot(("joint_1",), ("deg",), ("absolute",), (-90.0,), (90.0,), ("joint_1",))
    gate = build_gate(degrees, max_joint_step_rad=STEP)
    state = (90 + beyond,)
    assert run(gate, (0,), state=state)[0].sendable is sendable


def test_a_place_that_is_no_number_is_unknown_not_outside(gate):
    for joint in (np.nan, np.inf, -np.inf):
        assert at(gate, joint).reason is StopReason.STATE_NOT_FINITE
