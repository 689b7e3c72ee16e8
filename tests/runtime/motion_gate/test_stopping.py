"""How a robot comes to stand still, by reason and by `stale_action`."""

from dataclasses import replace

import numpy as np
import pytest
from motion_gates import LATE, arm_robot, build_gate, fresh, hand_robot, robot, run, wants

from lapa_edge.runtime.motion_gate.facts import AgeLimits
from lapa_edge.runtime.motion_gate.gate import MotionGate
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import read_meaning
from lapa_edge.runtime.motion_gate.reasons import StopReason

HAND, ARM = hand_robot(), arm_robot()
GO = (0.05, 0, 0, 0, 0, 0.05, 0.5)
STILL = [0, 0, 0, 0, 0, 0, 0.5]


def speeds(commands):
    return [float(c.action[0]) for c in commands]


def moving(stale_action, spec=HAND):
    gate = build_gate(spec, max_acceleration=2.0, stale_action=stale_action)
    run(gate, *[GO] * 9)
    return gate


@pytest.mark.parametrize("stale_action", ["stop", "hold"])
def test_a_late_image_stops_a_hand_at_once_and_its_gripper_holds(stale_action):
    (command,) = run(moving(stale_action), GO, **LATE)
    assert command.action.tolist() == STILL
    assert command.reason is StopReason.IMAGE_AGE


def test_decelerating_it_brakes_to_still_and_stays_there():
    commands = run(moving("decelerate"), *[GO] * 5, **LATE)
    assert speeds(commands) == pytest.approx([0.03, 0.01, 0, 0, 0], abs=1e-6)
    assert commands[-1].action.tolist() == STILL
    assert all(c.stopped == "image is 0.300 s old, more than 0.200 s" for c in commands)


def test_a_robot_that_brakes_goes_on_from_its_speed_when_the_image_is_back():
    gate = moving("decelerate")
    run(gate, GO, **LATE)
    assert speeds(run(gate, GO)) == pytest.approx([0.05], rel=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"latent_age_s": 0.6},
        {"image_received_s": None},
        {"image_stamp_s": 1.7e9 - 9},
        LATE,
    ],
    ids=["latent", "no image", "stamp", "image"],
)
def test_what_is_late_brakes(changes):
    assert run(moving("decelerate"), GO, **changes)[0].action[0] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"now_s": 1.0},
        {"image_stamp_s": 1.8e9},
        {"state_age_s": 1.0},
        {"state": None},
        {"state": np.full(3, np.nan, np.float32)},
        {"state": np.zeros(4, np.float32)},
        {**LATE, "state_age_s": 1.0},
        {**LATE, "state": None},
        {**LATE, "state": np.zeros(4, np.float32)},
    ],
    ids=str,
)
@pytest.mark.parametrize("stale_action", ["decelerate", "hold"])
def test_whatever_else_is_wrong_stops_at_once(stale_action, changes):
    gate = moving(stale_action)
    command = gate.decide(wants(*GO), replace(fresh((0, 0, 0)), **changes))
    assert command.action.tolist() == STILL


@pytest.mark.parametrize(
    "command",
    [wants(*GO, stopped="slow"), wants(np.nan, *GO[1:]), wants(*GO, 0)],
    ids=["policy", "NaN", "size"],
)
def test_a_policy_that_fails_stops_at_once(command):
    gated = moving("decelerate").decide(command, fresh((0, 0, 0)))
    assert gated.action.tolist() == STILL


@pytest.mark.parametrize("press", ["estop", "stop", "disable"])
def test_people_stop_it_at_once_even_while_it_brakes(press):
    gate = moving("decelerate")
    run(gate, GO, **LATE)
    {
        "estop": lambda: gate.latches.set_estop(True),
        "stop": gate.latches.stop,
        "disable": lambda: gate.latches.enable(False),
    }[press]()
    assert run(gate, GO, **LATE)[0].action.tolist() == STILL


def test_the_end_stops_at_once():
    command = moving("decelerate").end("deactivated")
    assert command.action.tolist() == STILL
    assert (command.reason, command.stopped) == (StopReason.ENDED, "deactivated")


def test_braking_ends_at_a_wall():
    gate = build_gate(
        HAND, max_acceleration=2.0, stale_action="decelerate", workspace_max_m=(1, 1, 1)
    )
    run(gate, *[GO] * 9)
    (command,) = run(gate, GO, state=(1, 0, 0), **LATE)
    assert (command.action[0], command.reason) == (0, StopReason.IMAGE_AGE)
    assert command.action[5] > 0


def lifted(stale_action="stop", **limits):
    """An arm that was told to move up to 0.05, and is still at 0.01."""
    gate = build_gate(ARM, stale_action=stale_action, **limits)
    run(gate, *[(0.05, 0.05, 1)] * 9, state=(0.01, 0.01))
    return gate


def at(gate, where, **changes):
    return run(gate, (1, 1, -1), state=(where, where), **changes)[0].action.tolist()


def test_a_position_stops_where_it_is_measured_and_stays_there():
    gate = lifted()
    assert at(gate, 0.0625, **LATE) == [0.0625, 0.0625, 1]
    assert at(gate, 0.03, **LATE) == [0.0625, 0.0625, 1]


def test_a_position_on_hold_stays_the_last_commanded():
    gate = lifted("hold")
    still = np.array([0.05, 0.05, 1], np.float32).tolist()
    assert at(gate, 0.03, **LATE) == still
    assert at(gate, 0.02, **LATE) == still


def test_a_position_on_hold_that_is_stopped_stays_where_it_is_measured_then():
    gate = lifted("hold")
    at(gate, 0.03, **LATE)
    gate.latches.stop()
    assert at(gate, 0.0625, **LATE) == [0.0625, 0.0625, 1]


def test_a_position_that_decelerates_rolls_out_and_stays_there():
    gate = build_gate(ARM, stale_action="decelerate", max_acceleration=2.0)
    run(gate, *[(1, 1, 1)] * 3, state=(0, 0))
    places = [at(gate, 0.0, **LATE)[0] for _ in range(6)]
    assert np.diff(places, prepend=0.0012) == pytest.approx([4e-4, 2e-4, 0, 0, 0, 0], abs=1e-6)


def test_an_arm_moved_by_hand_under_the_estop_is_followed():
    gate = lifted()
    gate.latches.set_estop(True)
    assert at(gate, 0.03)[0] == pytest.approx(0.03)
    assert at(gate, -0.5)[0] == -0.5
    gate.latches.set_estop(False)
    assert at(gate, -0.25)[0] == -0.25  # released
    assert at(gate, 0.0)[0] == -0.25  # latched


def test_after_a_stop_a_joint_moves_on_from_where_it_stood():
    gate = build_gate(ARM, max_joint_step_rad=0.02)
    run(gate, *[(1, 1, 1)] * 5, state=(0, 0))
    at(gate, 0.5, **LATE)
    assert at(gate, 0.5)[0] == pytest.approx(0.52)


def test_the_first_step_begins_where_the_arm_is_measured_not_at_a_guess():
    gate = build_gate(ARM, max_joint_step_rad=0.02)
    gate.decide(wants(0, 0, 0), replace(fresh(), state=None))
    assert at(gate, 0.5)[0] == pytest.approx(0.52)


def test_an_arm_that_has_not_told_where_it_is_is_sent_nothing():
    gate = build_gate(ARM)
    command = gate.decide(wants(0, 0, 0), replace(fresh(), state=None))
    assert (command.reason, command.sendable) == (StopReason.NO_STATE, False)
    assert run(gate, (0, 0, 0), state=(0.1, 0.1))[0].sendable


def test_a_reset_forgets_what_was_sent_and_measured():
    gate = lifted()
    gate.reset()
    assert not gate.end("test").sendable
    assert gate.counts.read().ticks == 10


def test_what_is_other_stops_at_the_bundles_stop_or_stays():
    names, kinds = ("suction", "shutter"), ("delta", "absolute")
    spec = robot(names, ("1", "1"), kinds, (-1.0,) * 2, (1.0,) * 2, ("shutter",))
    meaning = read_meaning(spec, dict.fromkeys(names, "other"))
    gate = MotionGate(
        spec,
        meaning,
        AgeLimits(max_latent_age_s=0.5),
        MotionLimits(stale_action="hold"),
        rate_hz=100.0,
        enabled=True,
    )
    assert run(gate, (0.5, 0.25), state=(0,))[0].action.tolist() == [0.5, 0.25]
    assert run(gate, (1, 1), state=(0,), **LATE)[0].action.tolist() == [0, 0.25]


def test_a_stop_changes_no_copy_that_was_given_out():
    gate = moving("stop")
    gate.end("test").action[:] = 9
    assert gate.end("test").action.tolist() == STILL


def test_a_command_that_was_taken_back_is_as_if_it_had_never_been_decided():
    gate, other = moving("stop"), moving("stop")
    wanted = (0.5, 0, 0, 0, 0, 0, -0.25)
    run(gate, wanted)
    gate.take_back()
    for then in ({}, LATE):
        (command,), (expected,) = run(gate, wanted, **then), run(other, wanted, **then)
        assert command.action.tolist() == expected.action.tolist()
        assert command.velocity.tolist() == expected.velocity.tolist()


def test_a_stop_that_was_taken_back_leaves_the_gripper_and_the_speed():
    gate = moving("stop")
    run(gate, GO, **LATE)
    gate.take_back()
    assert speeds(run(gate, GO)) == pytest.approx([0.05], rel=1e-5)
    gate.reset()
    run(gate, (0, 0, 0, 0, 0, 0, 0.5))
    gate.take_back()
    assert gate.end("enough").action.tolist() == [0] * 7, "the gripper was told nothing"


def test_only_while_the_estop_is_pressed_does_standing_still_follow_the_hand():
    gate = build_gate(ARM)
    run(gate, (0.5, 0.5, 0), state=(0.1, 0.2))
    gate.latches.set_estop(True)
    (pressed,) = run(gate, (0.5, 0.5, 0), state=(0.3, 0.4))
    assert pressed.follows
    gate.latches.set_estop(False)
    (released,) = run(gate, (0.5, 0.5, 0), state=(0.5, 0.6))
    assert not released.follows
    assert released.stopped
