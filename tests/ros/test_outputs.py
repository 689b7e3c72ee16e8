"""What each `output_type` says to its controller."""

import time
from pathlib import Path

import numpy as np
import pytest
from dds import OVER_DDS
from robot_bundles import (
    JOINTS,
    write_gripping_bundle,
    write_position_bundle,
    write_twist_bundle,
)

pytestmark = OVER_DDS

START = {"instruction": "push left", "autostart": True}
CONTROL_HZ, CHUNK = 100.0, 16


@pytest.fixture(scope="module")
def twist_bundle(tmp_path_factory):
    return write_twist_bundle(tmp_path_factory.mktemp("twist") / "tiny")


@pytest.fixture(scope="module")
def position_bundle(tmp_path_factory):
    return write_position_bundle(tmp_path_factory.mktemp("positions") / "tiny")


@pytest.fixture(scope="module")
def outputs(shared_rigs, bundle, twist_bundle, position_bundle):
    """One rig per output; they start side by side."""
    ordered = {"joint_names": ["joint_2", "joint_0", "joint_1"]}
    start = shared_rigs.start
    return {
        "twist": start("twist", model_path=twist_bundle.root, frame_id="tool", **START),
        "joint_trajectory": start(
            "joint_trajectory", model_path=position_bundle.root, **ordered, **START
        ),
        "joint_command": start("joint_command", model_path=bundle.root, **ordered, **START),
    }


def wall_s(monotonic_s):
    return monotonic_s + time.time() - time.monotonic()


def test_a_twist_is_stamped_when_it_is_published_and_says_its_frame(outputs, machine):
    outputs["twist"].drive()

    def listen():
        heard = outputs["twist"].robot.listen(0.5)
        assert len(heard) > 25
        for command in heard:
            header = command.message.header
            stamp_s = header.stamp.sec + header.stamp.nanosec * 1e-9
            assert wall_s(command.sent_s) - stamp_s == pytest.approx(0, abs=0.02)
            assert header.frame_id == "tool"

    machine.undisturbed(listen)


def test_a_twist_is_held_to_its_speeds_and_keeps_its_direction(outputs):
    robot = outputs["twist"].robot
    outputs["twist"].drive()
    free = np.array([heard.action for heard in robot.listen(0.3)])
    assert robot.set_parameter("max_linear_velocity", 0.1).successful
    assert robot.set_parameter("max_angular_velocity", 0.2).successful
    robot.listen(0.1)
    held = np.array([heard.action for heard in robot.listen(0.3)])
    for part, limit in ((slice(0, 3), 0.1), (slice(3, 6), 0.2)):
        assert np.linalg.norm(free[:, part], axis=1).max() > limit, "there was something to hold"
        assert np.linalg.norm(held[:, part], axis=1).max() <= limit * 1.0001
        assert np.linalg.norm(held[:, part], axis=1).min() > 0
    ways = [action[:3] / np.linalg.norm(action[:3]) for action in (free[-1], held[0])]
    assert np.dot(*ways) > 0.9


def test_a_twist_of_a_robot_that_stops_is_zero(outputs):
    outputs["twist"].drive()
    outputs["twist"].robot.send_estop(True)
    outputs["twist"].robot.wait_for_command(moving=False, count=10)


def test_a_trajectory_is_the_whole_chunk_in_the_controllers_order(
    outputs, position_bundle, machine
):
    robot = outputs["joint_trajectory"].robot
    robot.feed()
    assert robot.enable(True).success
    robot.wait_until(lambda: any(len(heard.message.points) == CHUNK for heard in robot.commands))
    spec = position_bundle.spec.action

    def listen():
        heard = [command.message for command in robot.listen(1.0)]
        chunks = [message for message in heard if len(message.points) == CHUNK]
        assert 15 < len(chunks) <= 31, "one per look, not one per tick"
        return chunks

    for chunk in machine.undisturbed(listen):
        assert chunk.joint_names == ["joint_2", "joint_0", "joint_1"]
        after_s = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in chunk.points]
        assert after_s == pytest.approx([i / CONTROL_HZ for i in range(1, CHUNK + 1)])
        positions = np.array([point.positions for point in chunk.points])
        assert positions.shape == (CHUNK, 3)
        assert np.isfinite(positions).all()
        assert (np.abs(positions) <= max(spec.high)).all()


def test_a_trajectory_of_a_robot_that_stops_is_where_it_was_measured(outputs):
    robot = outputs["joint_trajectory"].robot
    outputs["joint_trajectory"].drive()
    robot.send_estop(True)
    robot.listen(0.3)
    last = robot.commands[-1].message
    assert [len(last.points), *last.joint_names] == [1, "joint_2", "joint_0", "joint_1"]
    assert last.points[0].positions == pytest.approx([0.3, 0.1, 0.2])


def test_a_joint_command_is_in_the_controllers_order(outputs):
    robot = outputs["joint_command"].robot
    outputs["joint_command"].drive()
    assert robot.commands[-1].message.layout.dim[0].label == "joint_2,joint_0,joint_1"
    assert len(robot.commands[-1].message.data) == len(JOINTS)


def test_an_arm_moved_by_hand_before_its_first_command_goes_on_from_there(rigs, tmp_path):
    """Its gripper is told nothing before the first motion, and so neither is the arm."""
    bundle, step = write_gripping_bundle(tmp_path / "tiny"), 0.01
    robot = rigs.start(model_path=bundle.root, max_joint_step=step, **START).robot
    robot.feed()
    robot.wait_for_diagnosis(lambda told: "not enabled" in told.message)
    assert not robot.commands
    moved = (-0.6, 0.7, 0.3)
    robot.feed_state(moved)
    robot.listen(0.3)
    assert robot.enable(True).success
    robot.wait_until(lambda: robot.commands)
    first = np.array(robot.commands[0].message.data)
    assert np.abs(first[:2] - moved[:2]).max() <= step + 1e-6


def test_an_arm_out_of_range_is_told_nothing_and_its_people_why(rigs, tmp_path):
    bundle = write_position_bundle(tmp_path / "tiny")
    rig = rigs.start(model_path=bundle.root, **START)
    rig.robot.feed()
    rig.robot.feed_state((0.1, 0.2, 1.5))
    rig.robot.wait_until(lambda: "nothing is sent: joint_2 stands at 1.5 rad" in rig.node.log)
    assert rig.robot.enable(True).success
    rig.robot.wait_until(lambda: "stopped: joint_2 stands at 1.5 rad" in rig.node.log)
    assert not rig.robot.commands
    rig.robot.feed_state((0.1, 0.2, 0.3))
    rig.robot.wait_for_command(moving=True)


@pytest.mark.parametrize("output", ["joint_command", "joint_trajectory"])
def test_the_last_commands_of_an_arm_hold_it_where_it_is_measured(rigs, position_bundle, output):
    rig = rigs.start(output, model_path=position_bundle.root, **START)
    rig.drive()
    assert rig.node.interrupt()[0] == 0
    rig.robot.listen(0.2)
    for heard in rig.robot.commands[-3:]:
        message = heard.message
        rows = (
            [message.data] if output == "joint_command" else [p.positions for p in message.points]
        )
        assert [list(row) for row in rows] == [pytest.approx([0.1, 0.2, 0.3])]


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("servo_twist", write_twist_bundle),
        ("jtc_chunks", write_position_bundle),
        ("forward_command", write_position_bundle),
    ],
)
def test_a_node_moves_a_robot_with_each_file_that_comes_with_it(rigs, tmp_path, file, write):
    yaml = pytest.importorskip("yaml", reason="NOT CHECKED: PyYAML, which comes with rclpy")
    path = Path(__file__).parents[2] / f"ros2_ws/src/lapa_edge/config/{file}.yaml"
    said = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
    output = said.pop("output_type")
    rig = rigs.start(output, model_path=write(tmp_path / "tiny").root, **{**said, **START})
    rig.drive()


def test_an_output_that_the_actions_do_not_mean_is_refused(rigs, bundle, twist_bundle):
    cases = {"twist": bundle, "joint_trajectory": twist_bundle}
    started = [rigs.start(output, model_path=one.root, **START) for output, one in cases.items()]
    started.append(rigs.start(model_path=bundle.root, joint_names=["elbow", *JOINTS[1:]], **START))
    for rig, word in zip(started, ("twist", "trajectory", "elbow"), strict=True):
        assert rig.node.wait() == 1
        assert word in rig.node.log
        assert "Traceback" not in rig.node.log
