"""Limits that are no limits are refused before anything moves."""

from dataclasses import replace

import msgspec
import pytest
from motion_gates import AGES, arm_robot, build_gate, hand_robot, robot, run

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.motion_gate.limits import MotionLimits

HAND, ARM = hand_robot(), arm_robot()
NAN, INF = float("nan"), float("inf")
BOX = {"workspace_min_m": (-1, -1, -1), "workspace_max_m": (1, 1, 1)}


@pytest.mark.parametrize(
    ("spec", "limits", "problem"),
    [
        (HAND, {"max_linear_velocity_m_s": -1.0}, "max_linear_velocity_m_s: expected a finite"),
        (HAND, {"max_angular_velocity_rad_s": NAN}, "max_angular_velocity_rad_s: expected"),
        (HAND, {"max_acceleration": INF}, "max_acceleration: expected"),
        (HAND, {"max_acceleration": "1"}, "got '1'"),
        (ARM, {"max_joint_step_rad": True}, "got True"),
        (HAND, {"stale_action": "coast"}, "expected stop or decelerate or hold, got 'coast'"),
        (HAND, {"stale_action": "decelerate"}, "max_acceleration: expected more than 0"),
        (ARM, {"max_linear_velocity_m_s": 1.0}, "expected an action that is a translation, got jo"),
        (ARM, {"max_angular_velocity_rad_s": 1.0}, "expected an action that is a rotation"),
        (HAND, {"max_joint_step_rad": 1.0}, "expected an action that is a joint"),
        (ARM, BOX, "workspace: expected an action that is a translation"),
        (HAND, {"workspace_min_m": (0, 0)}, "workspace_min_m: expected x, y, z in m, got [0, 0]"),
        (HAND, {"workspace_max_m": (0, NAN, 0)}, "workspace_max_m: expected x, y, z"),
        (HAND, {**BOX, "workspace_min_m": (0, 1, 0)}, "workspace: expected min < max"),
        (ARM, {"joint_position_min_rad": {"elbow": 1.0}}, "got 'elbow'"),
        (ARM, {"joint_position_min_rad": {"joint_1": NAN}}, "expected min < max, got nan"),
        (
            ARM,
            {"joint_position_min_rad": {"joint_1": 1}, "joint_position_max_rad": {"joint_1": 1}},
            "joint_position of joint_1: expected min < max, got 1, 1",
        ),
        (ARM, {"joint_position_min_rad": {"joint_1": 2.0}}, "outside the bundle's own low and"),
    ],
)
def test_a_limit_that_holds_nothing_is_refused(spec, limits, problem):
    with pytest.raises(ConfigError) as refusal:
        build_gate(spec, **limits)
    assert problem in str(refusal.value)


def test_a_workspace_needs_to_know_where_the_robot_is():
    spec = robot(("x",), ("m",), ("delta",), (-1.0,), (1.0,), ("odometry",))
    with pytest.raises(ConfigError, match="no state measures translation_x; say which in"):
        build_gate(spec, **BOX)


def test_a_joints_range_needs_to_know_where_the_joint_is():
    spec = robot(("joint_1",), ("rad",), ("delta",), (-1.0,), (1.0,), ("encoder",))
    with pytest.raises(ConfigError, match="no state measures joint_1"):
        build_gate(spec, joint_position_max_rad={"joint_1": 1.0})


def test_what_slows_down_to_zero_must_stop_at_zero():
    action = msgspec.structs.replace(HAND.action, stop=(0.5,) + (0.0,) * 6)
    with pytest.raises(ConfigError, match=r"action dx: expected a stop of 0 .*, got 0.5"):
        build_gate(msgspec.structs.replace(HAND, action=action))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"image_timeout_s": 0.0}, "image_timeout_s: expected a finite time above 0 s, got 0.0"),
        ({"max_observation_age_s": NAN}, "max_observation_age_s: expected"),
        ({"state_timeout_s": INF}, "state_timeout_s: expected"),
        ({"max_future_stamp_s": -0.1}, "max_future_stamp_s: expected a finite time, got -0.1"),
        ({"chunk_timeout_s": 0}, "chunk_timeout_s: expected a time above 0 s, got 0"),
        ({"max_latent_age_s": 0.6}, "expected at most the bundle's 0.5 s, got 0.6"),
        ({"max_latent_age_s": True}, "max_latent_age_s: expected a finite time"),
    ],
)
def test_an_age_that_is_no_limit_is_refused(changes, problem):
    with pytest.raises(ConfigError) as refusal:
        build_gate(HAND, replace(AGES, **changes))
    assert problem in str(refusal.value)


@pytest.mark.parametrize("rate_hz", [0, -1.0, NAN, INF, None])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(ConfigError, match="rate_hz: expected a finite rate above 0 Hz"):
        build_gate(HAND, rate_hz=rate_hz)


def test_refused_limits_leave_the_old_ones():
    gate = build_gate(HAND, max_linear_velocity_m_s=0.5)
    with pytest.raises(ConfigError):
        gate.set_limits(AGES, MotionLimits(max_linear_velocity_m_s=NAN))
    (command,) = run(gate, (1, 0, 0, 0, 0, 0, 0))
    assert command.action[0] == pytest.approx(0.5, rel=1e-5)


def test_ages_that_are_set_hold_from_the_next_tick():
    gate = build_gate(HAND)
    gate.set_limits(replace(AGES, image_timeout_s=0.01), MotionLimits())
    (command,) = run(gate, (1, 0, 0, 0, 0, 0, 0))
    assert command.stopped == "image is 0.030 s old, more than 0.010 s"
