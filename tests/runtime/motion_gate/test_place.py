"""An arm that stands out of its range: a command within it would make it jump."""

import numpy as np
import pytest
from motion_gates import LATE, arm_robot, build_gate, robot, run

from lapa_edge.runtime.motion_gate.reasons import Clamp, StopReason

ARM = arm_robot()  # -2 to 2 rad; states are joint_2, joint_1
STEP = 0.02


def at(gate, joint_1, joint_2=0.0, **changes):
    return run(gate, (0, 0, 1), state=(joint_2, joint_1), **changes)[0]


@pytest.fixture
def gate():
    return build_gate(ARM, max_joint_step_rad=STEP)


def test_an_arm_far_outside_is_sent_nothing_and_told_why(gate):
    command = at(gate, 2.5)
    why = "joint_1 stands at 2.5 rad, outside of the bundle's -2 to 2 rad; bring it inside"
    assert (command.reason, command.sendable) == (StopReason.STATE_OUT_OF_RANGE, False)
    assert command.stopped == command.unsendable == why


def test_a_robot_that_has_told_nothing_is_not_called_outside(gate):
    assert gate.end("test").unsendable == "the robot has not told where it is"
    assert at(gate, 0.5).unsendable == ""


@pytest.mark.parametrize("joint_1", [2.5, 2.015])
@pytest.mark.parametrize("stop", ["late", "disabled", "pressed", "ended"])
def test_to_stand_still_is_a_command_as_well_and_is_not_sent(gate, stop, joint_1):
    """Not even to the end of the range: somebody forbids it to move."""
    if stop == "disabled":
        gate.latches.enable(False)
    if stop == "pressed":
        gate.latches.set_estop(True)
    if stop == "ended":
        assert not gate.end("test").sendable
        return
    command = at(gate, joint_1, **(LATE if stop == "late" else {}))
    assert not command.sendable
    assert command.unsendable.startswith("joint_1 stands at")
    assert ("bring it inside" in command.unsendable) == (joint_1 == 2.5)
    assert not gate.end("test").sendable


def test_brought_inside_by_hand_it_moves_on_from_there(gate):
    at(gate, -2.5, 2.5)
    assert not at(gate, 0.5, 2.5).sendable
    command = at(gate, 0.5, 1.5)
    assert (command.reason, command.sendable) == (None, True)
    assert command.action[:2] == pytest.approx([0.48, 1.48])


def test_a_little_outside_its_first_command_is_the_end_of_the_range(gate):
    first, second = at(gate, 2.015, 0.5), at(gate, 2.015, 0.5)
    assert (first.reason, first.sendable) == (None, True)
    assert first.action.tolist() == [2.0, 0.5, 1.0]  # its gripper does what the policy wants
    assert Clamp.ACTION_RANGE in first.clamps
    assert first.clamped == 2  # both joints, not the gripper
    assert second.action[:2] == pytest.approx([1.98, 0.48])


def test_an_arm_that_was_sent_a_command_may_be_pushed_outside(gate):
    at(gate, 1.9)
    assert at(gate, 2.5).reason is None
    assert at(gate, 2.5, **LATE).sendable
    gate.reset()
    assert not at(gate, 2.5).sendable


def test_what_was_taken_back_was_not_sent(gate):
    at(gate, 1.9)
    gate.take_back()
    assert not at(gate, 2.5).sendable
    gate.take_back()
    assert at(gate, 0.5).action[0] == pytest.approx(0.48)
    gate.take_back()
    assert at(gate, -1.0, **LATE).action[0] == -1.0


def test_every_stop_is_sent_to_an_arm_that_was_told_something(gate):
    """It may be on its way: what is silent now leaves it there."""
    at(gate, 1.9)
    gate.latches.set_estop(True)
    assert at(gate, 2.9).sendable
    assert gate.end("test").sendable


@pytest.mark.parametrize(("beyond", "sendable"), [(0.039, True), (0.041, False)])
@pytest.mark.parametrize("step", [0, 1000])
def test_a_hundredth_of_the_range_is_no_matter_and_no_limit_makes_it_more(beyond, sendable, step):
    gate = build_gate(ARM, max_joint_step_rad=step)
    assert at(gate, -2 - beyond).sendable is sendable


def place(moves, unit, low, high):
    kind = "absolute"
    return robot((moves,), (unit,), (kind,), (low,), (high,), (moves,))


@pytest.mark.parametrize(
    ("spec", "limits", "beyond", "sendable"),
    [
        (place("joint_1", "deg", -90.0, 90.0), {"max_joint_step_rad": STEP}, 1.1, True),
        (place("joint_1", "deg", -90.0, 90.0), {"max_joint_step_rad": STEP}, 1.2, False),
        (place("x", "cm", -50.0, 50.0), {"max_linear_velocity_m_s": 0.5}, 0.4, True),
        (place("x", "cm", -50.0, 50.0), {"max_linear_velocity_m_s": 0.5}, 0.6, False),
        (place("roll", "rad", -1.0, 1.0), {"max_angular_velocity_rad_s": 0.5}, 0.004, True),
        (place("roll", "rad", -1.0, 1.0), {"max_angular_velocity_rad_s": 0.5}, 0.006, False),
        (place("gripper", "1", 0.0, 1.0), {}, 0.2, True),  # no arm
    ],
)
def test_where_a_tick_may_move_it_less_that_counts(spec, limits, beyond, sendable):
    state = (spec.action.high[0] + beyond,)
    assert run(build_gate(spec, **limits), (0,), state=state)[0].sendable is sendable


def test_a_place_that_is_no_number_is_unknown_not_outside(gate):
    for joint in (np.nan, np.inf, -np.inf):
        assert at(gate, joint).reason is StopReason.STATE_NOT_FINITE
