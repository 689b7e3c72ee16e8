"""How fast and how far, one rule after the other."""

import numpy as np
import pytest
from motion_gates import AGES, PERIOD_S, arm_robot, build_gate, hand_robot, robot, run

from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import read_meaning
from lapa_edge.runtime.motion_gate.reasons import Clamp

HAND, ARM = hand_robot(), arm_robot()


def hand(x=0.0, y=0.0, z=0.0, roll=0.0, pitch=0.0, yaw=0.0, gripper=0.0):
    return x, y, z, roll, pitch, yaw, gripper


def near(*values):
    return pytest.approx(values, rel=1e-5, abs=1e-7)


def test_without_limits_an_action_passes_bit_for_bit():
    action = np.random.default_rng(0).uniform(-1, 1, 7).astype(np.float32)
    (command,) = run(build_gate(HAND), action)
    assert command.action.tolist() == action.tolist()
    assert (command.clamped, command.clamps, command.stopped) == (0, frozenset(), None)


def test_beyond_the_bundles_limits_it_is_brought_back():
    (command,) = run(build_gate(HAND), hand(x=3, gripper=-9))
    assert command.action.tolist() == [1, 0, 0, 0, 0, 0, -1]
    assert (command.clamped, command.clamps) == (2, {Clamp.ACTION_RANGE})


def test_too_fast_a_translation_keeps_its_direction():
    (command,) = run(build_gate(HAND, max_linear_velocity_m_s=0.5), hand(0.6, 0, -0.8, roll=1))
    assert command.action[:4].tolist() == near(0.3, 0, -0.4, 1)
    assert np.linalg.norm(command.action[:3].astype(np.float64)) <= 0.5
    assert (command.clamped, command.clamps) == (2, {Clamp.LINEAR_VELOCITY})


def test_too_fast_a_rotation_keeps_its_direction():
    (command,) = run(build_gate(HAND, max_angular_velocity_rad_s=0.5), hand(1, pitch=0.6, yaw=0.8))
    assert command.action[:6].tolist() == near(1, 0, 0, 0, 0.3, 0.4)
    assert command.clamps == {Clamp.ANGULAR_VELOCITY}


def test_a_speed_at_its_limit_passes_untouched():
    (command,) = run(build_gate(HAND, max_linear_velocity_m_s=0.5), hand(0.5))
    assert command.action[0] == 0.5
    assert not command.clamps


def test_a_displacement_is_limited_by_the_velocity_it_makes():
    spec = hand_robot("cm", control_hz=10.0)  # 1 cm a step is 0.1 m/s
    (command,) = run(build_gate(spec, max_linear_velocity_m_s=0.05), hand(1))
    assert command.action[0] == pytest.approx(0.5, rel=1e-5)
    assert command.velocity[0] == pytest.approx(0.05, rel=1e-5)


def test_it_speeds_up_by_the_acceleration_from_still():
    gate = build_gate(HAND, max_acceleration=2.0)
    commands = run(gate, *[hand(0.05, yaw=-0.05)] * 4)
    assert [c.action[0] for c in commands] == near(0.02, 0.04, 0.05, 0.05)
    assert [c.action[5] for c in commands] == near(-0.02, -0.04, -0.05, -0.05)
    assert [Clamp.ACCELERATION in c.clamps for c in commands] == [True, True, False, False]


def test_it_slows_down_and_turns_round_by_the_acceleration():
    gate = build_gate(HAND, max_acceleration=2.0)
    run(gate, *[hand(0.05)] * 4)
    assert [c.action[0] for c in run(gate, *[hand(-1)] * 4)] == near(0.03, 0.01, -0.01, -0.03)


def test_the_acceleration_limits_the_change_as_a_vector():
    gate = build_gate(HAND, max_acceleration=5.0)
    (command,) = run(gate, hand(0.6, 0.8))
    assert command.action[:2].tolist() == near(0.03, 0.04)


def test_after_a_stop_the_first_motion_starts_from_still():
    gate = build_gate(HAND, max_acceleration=2.0)
    run(gate, *[hand(1)] * 9)
    gate.latches.stop()
    run(gate, hand(1))
    gate.latches.reset()
    (command,) = run(gate, hand(1))
    assert command.action[0] == pytest.approx(0.02, rel=1e-5)


def test_a_speed_limit_that_is_lowered_holds_at_once():
    gate = build_gate(HAND, max_acceleration=2.0, max_linear_velocity_m_s=1.0)
    run(gate, *[hand(1)] * 40)
    gate.set_limits(AGES, MotionLimits(max_acceleration=2.0, max_linear_velocity_m_s=0.1))
    (command,) = run(gate, hand(1))
    assert (command.stopped, command.action[0]) == (None, pytest.approx(0.1, rel=1e-5))


BOX = {"workspace_min_m": (-1, -1, -1), "workspace_max_m": (1, 1, 1)}


def test_a_velocity_that_would_leave_the_workspace_is_cut_on_its_axis():
    (command,) = run(build_gate(HAND, **BOX), hand(0.5, 0.5), state=(1 - 2**-10, 0, 0))
    assert command.action[:2].tolist() == near(100 * 2**-10, 0.5)
    assert (command.clamped, command.clamps) == (1, {Clamp.WORKSPACE})


@pytest.mark.parametrize(("place", "sign"), [(1.0, 1), (1.5, 1), (-1.0, -1), (-1.5, -1)])
def test_at_a_wall_and_beyond_it_only_inwards_is_allowed(place, sign):
    outwards, inwards = run(
        build_gate(HAND, **BOX), hand(z=sign), hand(z=-sign), state=(0, 0, place)
    )
    assert outwards.action[2] == 0
    assert inwards.action[2] == -sign


def test_a_wall_that_is_not_given_does_not_limit():
    gate = build_gate(HAND, workspace_min_m=(-1, -1, -1))
    (command,) = run(gate, hand(1), state=(1e6, 0, 0))
    assert command.action[0] == 1


def drive(gate, place, wanted, ticks):
    """Speeds and places of a hand that follows what it is told."""
    speeds, places = [], []
    for _ in range(ticks):
        (command,) = run(gate, hand(wanted), state=(place, 0, 0))
        place += command.action[0] * PERIOD_S
        speeds.append(float(command.action[0]))
        places.append(place)
    return np.array(speeds), np.array(places)


def test_before_a_wall_it_brakes_within_its_acceleration():
    speeds, places = drive(build_gate(HAND, max_acceleration=2.0, **BOX), 0.0, 0.8, 300)
    assert speeds.max() == pytest.approx(0.8)
    assert places[-1] == pytest.approx(1.0, abs=1e-4)
    assert places.max() <= 1.0 + 1e-6
    assert np.abs(np.diff(speeds)).max() <= 2.0 * PERIOD_S + 1e-6


def arm(joint_1=0.0, joint_2=0.0, gripper=0.0):
    return joint_1, joint_2, gripper


def test_a_joint_steps_no_further_than_allowed_from_where_it_was_measured():
    gate = build_gate(ARM, max_joint_step_rad=0.02)
    first, second = run(gate, arm(1, -1), arm(1, -1), state=(0.25, 0.5))  # joint_2, joint_1
    assert first.action[:2].tolist() == near(0.52, 0.23)
    assert second.action[:2].tolist() == near(0.54, 0.21)
    assert first.clamps == {Clamp.JOINT_STEP}
    assert first.velocity.tolist() == pytest.approx([2.0, -2.0, 0.0], rel=1e-4)


def test_a_step_that_is_small_enough_goes_to_its_target_exactly():
    (command,) = run(build_gate(ARM, max_joint_step_rad=0.02), arm(0.51), state=(0, 0.5))
    assert command.action[0] == np.float32(0.51)
    assert not command.clamps


def test_a_joint_is_not_told_to_leave_its_range():
    gate = build_gate(
        ARM, joint_position_min_rad={"joint_2": -0.5}, joint_position_max_rad={"joint_1": 0.5}
    )
    (command,) = run(gate, arm(1, -1), state=(0, 0))
    assert command.action[:2].tolist() == near(0.5, -0.5)
    assert command.action[0] <= 0.5
    assert command.clamps == {Clamp.JOINT_POSITION}


def test_a_joint_outside_its_range_may_only_move_inwards():
    limits = {"joint_position_max_rad": {"joint_1": 0.5}, "max_joint_step_rad": 0.02}
    outwards, inwards = (
        run(build_gate(ARM, **limits), arm(target), state=(0, 0.75))[0] for target in (1, 0)
    )
    assert outwards.action[0] == 0.75
    assert inwards.action[0] == pytest.approx(0.73)


def test_a_joint_that_is_told_steps_is_held_to_its_measured_range():
    spec = robot(("joint_1",), ("rad",), ("delta",), (-1.0,), (1.0,), ("joint_1",))
    gate = build_gate(spec, joint_position_max_rad={"joint_1": 0.5})
    (command,) = run(gate, (0.3,), state=(0.49,))  # 0.3 rad a step of 0.1 s
    assert command.velocity[0] == pytest.approx(1.0, rel=1e-4)
    assert command.clamps == {Clamp.JOINT_POSITION}


def test_a_joint_reaches_a_far_target_within_its_acceleration_and_without_passing_it():
    gate = build_gate(ARM, max_acceleration=3.0)
    commands = run(gate, *[arm(1.0)] * 300, state=(0, 0))
    places = np.array([c.action[0] for c in commands], np.float64)
    speeds = np.diff(places, prepend=0) / PERIOD_S
    assert places[-1] == pytest.approx(1.0, abs=1e-5)
    assert places.max() <= 1.0 + 1e-6
    assert np.abs(np.diff(speeds, prepend=0)).max() <= 3.0 * PERIOD_S + 5e-5
    assert speeds.max() > 1.0


def test_an_absolute_hand_goes_straight_and_no_faster_than_allowed():
    states = ("x", "y", "z")
    spec = robot(states, ("cm",) * 3, ("absolute",) * 3, (-50.0,) * 3, (50.0,) * 3, states)
    gate = build_gate(spec, max_linear_velocity_m_s=0.5)
    (command,) = run(gate, (30, 40, 0), state=(0, 0, 0))
    assert command.action.tolist() == near(0.3, 0.4, 0)  # cm, in 10 ms
    assert command.velocity.tolist() == near(0.3, 0.4, 0)


def test_a_gripper_is_neither_slowed_down_nor_kept_within_anything_but_its_bundle():
    gate = build_gate(HAND, max_linear_velocity_m_s=0.01, max_acceleration=0.01, **BOX)
    commands = run(gate, hand(gripper=1), hand(gripper=-1))
    assert [c.action[6] for c in commands] == [1, -1]
    assert not any(c.velocity.any() for c in commands)


def test_what_is_other_passes_within_its_bundle():
    spec = robot(("suction",), ("1",), ("delta",), (-1.0,), (1.0,), ())
    meaning = read_meaning(spec, {"suction": "other"})
    assert meaning.moves == ("other",)


def test_a_command_belongs_to_its_receiver():
    gate = build_gate(HAND, max_acceleration=2.0)
    (command,) = run(gate, hand(1, gripper=0.5))
    command.action[:] = 9
    (second,) = run(gate, hand(1, gripper=0.5))
    assert second.action[0] == pytest.approx(0.04, rel=1e-5)
