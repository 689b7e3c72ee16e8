"""Lifecycle transitions through their services, with good and bad bundles."""

import os
from pathlib import Path

from bundles import tiny_files, tiny_spec, write_tiny_bundle
from dds import OVER_DDS
from rclpy.qos import LivelinessPolicy

from lapa_edge.artifact import write_bundle

pytestmark = OVER_DDS

PROGRAM = Path(__file__).with_name("refusing_node.py")


def test_a_good_bundle_goes_through_every_transition(rigs, bundle):
    rig = rigs.start(model_path=bundle.root, instruction="push left", start_enabled=True)
    robot = rig.robot
    assert robot.node_state() == "unconfigured"
    assert robot.change_state("configure")
    assert robot.node_state() == "inactive"
    robot.feed()
    assert not robot.listen(0.5), "an inactive node says nothing"
    for _ in range(2):  # a node that was deactivated can be activated again
        assert robot.change_state("activate")
        assert robot.node_state() == "active"
        robot.wait_for_command(moving=True, count=5)
        assert robot.change_state("deactivate")
        robot.listen(0.2)
        assert not any(command.moves for command in robot.commands[-3:])
        assert not robot.listen(0.3)
    assert robot.change_state("cleanup")
    assert robot.node_state() == "unconfigured"
    assert robot.change_state("configure")
    assert rig.node.interrupt()[0] == 0


def test_a_shutdown_ends_with_stops_and_leaves_nothing_to_do(rigs, bundle):
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", start_enabled=True, autostart=True
    )
    robot = rig.robot
    robot.feed()
    robot.wait_for_command(moving=True, count=5)
    assert robot.change_state("shutdown while active")
    robot.listen(0.2)
    assert not any(command.moves for command in robot.commands[-3:])
    assert robot.node_state() == "finalized"
    assert rig.node.interrupt()[0] == 0


def test_commands_are_offered_with_a_deadline_and_none_is_asked_of_others(rigs, bundle):
    """A camera that offers none would else not be heard at all."""
    robot = rigs.start(model_path=bundle.root, instruction="push left", autostart=True).robot
    robot.wait_until(lambda: robot.node_state() == "active")
    offer = robot.offered("command")
    assert offer.deadline.nanoseconds == offer.liveliness_lease_duration.nanoseconds == 100_000_000
    assert offer.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
    for topic in ("image", "joint_states", "policy/estop", "policy/instruction"):
        assert robot.asked(topic).deadline.nanoseconds > 1e18, "for ever"


def test_activation_forgets_the_last_image(rigs, bundle):
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", start_enabled=True, image_timeout=10.0,
        max_observation_age=10.0, max_latent_age=10.0,
    )  # fmt: skip
    robot = rig.robot
    assert robot.change_state("configure")
    assert robot.change_state("activate")
    robot.feed()
    robot.wait_for_command(moving=True, count=5)
    robot.stop_feed("image")
    assert robot.change_state("deactivate")
    robot.listen(0.2)
    robot.commands.clear()
    assert robot.change_state("activate")
    robot.wait_for_command(moving=False, count=50)
    assert not any(command.moves for command in robot.commands)


def test_a_bad_bundle_is_refused_in_one_line_and_can_be_replaced(rigs, bundle, tmp_path):
    rig = rigs.start(model_path=tmp_path / "none", instruction="push left")
    assert not rig.robot.change_state("configure")
    assert rig.robot.node_state() == "unconfigured"
    assert rig.robot.set_parameter("model_path", str(bundle.root)).successful
    assert rig.robot.change_state("configure")
    assert rig.node.interrupt()[0] == 0
    assert "no readable manifest.json" in rig.node.log
    assert "Traceback" not in rig.node.log


def spoil(root, name, content):
    """A bundle whose manifest is right about a file that is not what it should be."""
    spec = tiny_spec(control_hz=100.0)
    return write_bundle(root, spec, tiny_files(spec) | {name: content}, {})


def test_autostart_with_a_bad_bundle_exits_with_status_1(rigs, tmp_path):
    changed = write_tiny_bundle(tmp_path / "changed", control_hz=100.0)
    changed.path("policy.onnx").write_bytes(b"not what the manifest says")
    broken = spoil(tmp_path / "broken", "policy.onnx", b"no graph")
    complaints = {
        tmp_path / "none": "no readable manifest.json",
        changed.root: "policy.onnx",
        broken.root: "policy.onnx",
    }
    started = [rigs.start(model_path=root, autostart=True) for root in complaints]
    for rig, complaint in zip(started, complaints.values(), strict=True):
        assert rig.node.wait() == 1
        assert complaint in rig.node.log
        assert "Traceback" not in rig.node.log


def test_a_forbidden_transition_is_answered_and_changes_nothing(rigs, bundle):
    rig = rigs.start(model_path=bundle.root, instruction="push left")
    assert rig.robot.node_state() == "unconfigured"
    assert not rig.robot.change_state("activate")
    assert rig.robot.node_state() == "unconfigured"
    assert rig.robot.change_state("configure")
    assert rig.node.interrupt()[0] == 0


def test_a_configure_that_fails_late_leaves_nothing_behind(rigs, bundle, tmp_path):
    """OpenCV, which only the topics ask for, is missing at first."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['cv2'] = None  # as if it were not installed\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", image_transport="compressed",
        environment={"PYTHONPATH": path},
    )  # fmt: skip
    robot = rig.robot
    for words in ("push left", "push right"):
        assert robot.set_parameter("instruction", words).successful, "nothing is configured"
        assert not robot.change_state("configure")
        assert robot.node_state() == "unconfigured"
    robot.wait_until(lambda: robot.count_publishers("command") == 0)
    assert rig.node.log.count('"compressed" needs OpenCV') == 2
    assert rig.node.interrupt()[0] == 0


def test_a_reset_that_cannot_begin_an_episode_is_answered_and_ends_inactive(rigs, bundle, tmp_path):
    flag = tmp_path / "refuse"
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True,
        program=[PROGRAM], environment={"REFUSE": str(flag)},
    )  # fmt: skip
    rig.drive()
    flag.write_text("")
    answer = rig.robot.reset()
    assert not answer.success
    assert "no thread" in answer.message
    assert "deactivated" in answer.message
    assert rig.robot.node_state() == "inactive"
    rig.robot.listen(0.2)
    assert not any(command.moves for command in rig.robot.commands[-3:])
    flag.unlink()
    assert rig.robot.change_state("activate")
    rig.drive()
    assert rig.node.interrupt()[0] == 0


def test_a_transition_with_a_bug_ends_unconfigured_and_free_to_begin_again(rigs, bundle, tmp_path):
    flag = tmp_path / "refuse"
    flag.write_text("unforeseen")
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", start_enabled=True,
        program=[PROGRAM], environment={"REFUSE": str(flag)},
    )  # fmt: skip
    rig.robot.feed()
    assert rig.robot.change_state("configure")
    assert not rig.robot.change_state("activate")
    assert rig.robot.node_state() == "unconfigured"
    assert not rig.robot.listen(0.3), "nothing is commanded"
    flag.unlink()
    assert rig.robot.change_state("configure")
    assert rig.robot.change_state("activate")
    rig.robot.wait_for_command(moving=True)
    assert rig.node.interrupt()[0] == 0
    assert "RuntimeError('unforeseen')" in rig.node.log
    assert "a transition from inactive failed" in rig.node.log
    assert "Traceback" not in rig.node.log


def test_a_bug_while_the_robot_moves_ends_with_stops(rigs, bundle, tmp_path):
    flag = tmp_path / "refuse"
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", start_enabled=True, autostart=True,
        program=[PROGRAM], environment={"REFUSE": str(flag)},
    )  # fmt: skip
    robot = rig.robot
    robot.feed()
    robot.wait_for_command(moving=True, count=5)
    flag.write_text("unforeseen")
    assert not robot.change_state("deactivate")
    assert robot.node_state() == "unconfigured"
    robot.listen(0.2)
    assert not any(command.moves for command in robot.commands[-3:])
    assert not robot.listen(0.3)
    assert "a transition from active failed; stopping" in rig.node.log
    assert rig.node.interrupt()[0] == 0
