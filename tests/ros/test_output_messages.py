"""What each output makes of commands, tick by tick; messages, but nobody speaks."""

from dataclasses import replace
from types import SimpleNamespace

import dds  # noqa: F401 (skips without rclpy)
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from lapa_edge_ros.chunks import Chunk, ChunkPlan
from lapa_edge_ros.outputs import GripperOutput, JointCommandOutput, TrajectoryOutput
from motion_gates import arm_robot, build_gate, fresh, robot

from lapa_edge.runtime.motion_gate.gate import GatedCommand
from lapa_edge.runtime.motion_gate.meaning import read_meaning
from lapa_edge.runtime.motion_gate.reasons import StopReason

JOINTS = ("joint_2", "joint_1")  # the controller's order


def told(*action, stopped=None, follows=False):
    return GatedCommand(
        action=np.float32(action),
        stopped=stopped,
        clamped=0,
        latent_age_s=0.1,
        reason=StopReason.ESTOP if stopped else None,
        velocity=np.zeros(len(action)),
        clamps=frozenset(),
        follows=follows,
    )


def stop(*action, **changes):
    return told(*action, stopped="the e-stop is pressed", **changes)


@pytest.fixture
def trajectories():
    """An output of the arm's two joints; its states are joint_2 and joint_1. No chunk is played."""
    meaning = read_meaning(arm_robot())
    source = SimpleNamespace(chunk=None)
    plan = ChunkPlan(build_gate(arm_robot(), max_joint_step_rad=0.02), meaning, 0.1)
    warnings = []
    output = TrajectoryOutput(source, plan, meaning, JOINTS, (1, 0), 0.1, warnings.append)
    output.source, output.warnings = source, warnings
    return output


def held_at(output, command, state):
    message = output.message(command, fresh(state), Time())
    return message and [list(point.positions) for point in message.points]


def near(*values):
    return [pytest.approx(values)]


def test_a_trajectory_holds_where_the_joints_were_when_the_stop_began(trajectories):
    assert held_at(trajectories, stop(0, 0, 0), (0.1, 0.2)) == near(0.1, 0.2)
    assert held_at(trajectories, stop(0, 0, 0), (0.3, 0.4)) == near(0.1, 0.2)


def test_a_trajectory_follows_a_hand_and_holds_where_it_let_go(trajectories):
    assert held_at(trajectories, stop(0, 0, 0), (0.1, 0.2)) == near(0.1, 0.2)
    assert held_at(trajectories, stop(0, 0, 0, follows=True), (0.3, 0.4)) == near(0.3, 0.4)
    assert held_at(trajectories, stop(0, 0, 0), (0.5, 0.6)) == near(0.3, 0.4)


def test_a_trajectory_of_a_new_episode_holds_where_its_own_joints_are(trajectories):
    assert held_at(trajectories, stop(0, 0, 0), (0.1, 0.2)) == near(0.1, 0.2)
    trajectories.forget()
    nowhere = replace(fresh(), state=None)
    assert trajectories.message(stop(0, 0, 0), nowhere, Time()) is None
    assert held_at(trajectories, stop(0, 0, 0), (0.7, 0.8)) == near(0.7, 0.8)


def test_a_trajectory_holds_what_was_measured_last_where_a_state_is_not_finite(trajectories):
    assert held_at(trajectories, told(0, 0, 0), (0.1, 0.2)) == near(0.1, 0.2)
    assert held_at(trajectories, stop(0, 0, 0), (float("nan"), 0.2)) == near(0.1, 0.2)


def begin_chunk(output):
    output.source.chunk = Chunk(np.zeros((2, 3), np.float32), 0.0)


@pytest.mark.parametrize(
    ("joint_1", "expected"),
    [(1.999, (1.979, 1.959)), (2.001, (2.0, 1.98)), (2.015, (2.0, 1.98))],
)
def test_a_chunk_may_begin_a_little_out_of_range(trajectories, joint_1, expected):
    begin_chunk(trajectories)
    points = held_at(trajectories, told(0, 0, 0), (0, joint_1))
    assert points == [pytest.approx((0, at)) for at in expected]
    assert held_at(trajectories, told(0, 0, 0), (0, joint_1)) is None, "it is being played"
    assert not trajectories.warnings


def test_a_chunk_that_would_begin_with_a_jump_is_not_played_and_the_arm_does_not_sink(trajectories):
    begin_chunk(trajectories)
    for sinking in (2.5, 2.6):
        assert held_at(trajectories, told(0, 0, 0), (0, sinking)) == near(0, 2.5)
    assert trajectories.warnings[0] == (
        "a chunk is not played: joint_1 stands at 2.5 rad, outside of the bundle's -2 to 2 rad; "
        "bring it inside"
    )
    assert len(held_at(trajectories, told(0, 0, 0), (0, 1.5))) == 2


GRIPPERS = [
    lambda: GripperOutput(("gripper",), (2,)),
    lambda: JointCommandOutput(
        read_meaning(arm_robot()), ("joint_1", "joint_2", "gripper"), range(3)
    ),
]


@pytest.mark.parametrize("build", GRIPPERS, ids=["gripper_command", "joint_command"])
def test_a_gripper_is_told_nothing_before_the_episodes_first_motion_and_then_it_holds(build):
    output, facts = build(), fresh((0.1, 0.2))

    def gripper(command):
        message = output.message(command, facts, Time())
        return None if message is None else message.data[-1]

    for _ in range(2):
        assert gripper(stop(0, 0, 0)) is None
        assert gripper(told(0.1, 0.1, 0.5)) == 0.5
        assert gripper(stop(0, 0, 0.5)) == 0.5
        output.forget()


def test_a_gripper_that_is_positioned_is_told_where_it_was_measured():
    spec = robot(
        ("joint_1", "gripper"), ("rad", "m"), ("absolute",) * 2, (-2.0,) * 2, (2.0,) * 2,
        ("joint_1", "gripper"),
    )  # fmt: skip
    output = JointCommandOutput(read_meaning(spec), spec.action.names, range(2))
    message = output.message(stop(0.1, 0.04), fresh((0.1, 0.04)), Time())
    assert list(message.data) == pytest.approx([0.1, 0.04])


def test_a_joint_command_without_a_gripper_says_its_stops_from_the_start():
    spec = robot(("joint_1",), ("rad/s",), ("delta",), (-2.0,), (2.0,), ("joint_1",))
    output = JointCommandOutput(read_meaning(spec), spec.action.names, range(1))
    assert list(output.message(stop(0), fresh((0.1,)), Time()).data) == [0]
