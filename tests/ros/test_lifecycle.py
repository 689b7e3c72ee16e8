"""Lifecycle transitions through their services, with good and bad bundles."""

import pytest

pytest.importorskip(
    "rclpy",
    reason="rclpy is missing: pip install ros-jazzy-rclpy ros-jazzy-common-interfaces "
    "ros-jazzy-rmw-fastrtps-cpp",
)
# A parser that rclpy brings along imports sre_parse.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def test_transitions_of_a_good_bundle(robot, start_node, bundle):
    process = start_node(model_path=bundle.root, instruction="push left")
    assert robot.node_state() == "unconfigured"
    assert robot.change_state("configure")
    assert robot.node_state() == "inactive"
    robot.run(0.5, robot.send_image, robot.send_state)
    assert not robot.commands, "an inactive node says nothing"
    for _ in range(2):  # a node that was deactivated can be activated again
        robot.commands.clear()
        assert robot.change_state("activate")
        robot.run_until(robot.moves, robot.send_image, robot.send_state)
        assert robot.change_state("deactivate")
        robot.run(0.2)
        assert not robot.actions()[-3:].any()
        count = len(robot.commands)
        robot.run(0.5, robot.send_image, robot.send_state)
        assert len(robot.commands) == count
    assert robot.change_state("cleanup")
    assert robot.node_state() == "unconfigured"
    assert robot.change_state("configure")
    assert process.interrupt() == 0


def test_activation_forgets_the_last_image(robot, start_node, bundle):
    start_node(model_path=bundle.root, instruction="push left", image_timeout=10.0)
    assert robot.change_state("configure")
    assert robot.change_state("activate")
    robot.run_until(robot.moves, robot.send_image, robot.send_state)
    assert robot.change_state("deactivate")
    robot.run(0.3)
    robot.commands.clear()
    assert robot.change_state("activate")
    robot.run_until(lambda: len(robot.commands) > 10, robot.send_state)
    assert not robot.moves()


def test_a_bad_bundle_is_refused_in_one_line(robot, start_node, bundle, tmp_path):
    process = start_node(model_path=tmp_path / "none")
    assert not robot.change_state("configure")
    assert robot.node_state() == "unconfigured"
    assert robot.set_parameter("model_path", str(bundle.root)).successful
    assert robot.change_state("configure"), "a refused bundle can be replaced"
    process.interrupt()
    assert "no readable manifest.json" in process.log
    assert "Traceback" not in process.log


def test_autostart_with_a_bad_bundle_exits_with_status_1(ros_environment, start_node, tmp_path):
    process = start_node(model_path=tmp_path / "none", autostart=True)
    assert process.wait() == 1
    assert "no readable manifest.json" in process.log
    assert "Traceback" not in process.log


def test_parameters_are_fixed_while_configured(robot, start_node, bundle):
    start_node(model_path=bundle.root, instruction="push left")
    assert robot.change_state("configure")
    answer = robot.set_parameter("image_timeout", 5.0)
    assert not answer.successful
    assert "clean up the node first" in answer.reason


def test_a_parameter_outside_its_range_is_refused(robot, start_node, bundle):
    start_node(model_path=bundle.root)
    robot.node_state()
    assert not robot.set_parameter("image_timeout", 0.0).successful


def test_a_forbidden_transition_does_not_end_the_node(robot, start_node, bundle):
    process = start_node(model_path=bundle.root, instruction="push left")
    assert robot.node_state() == "unconfigured"
    robot.ask_in_vain("activate")
    assert robot.node_state() == "unconfigured"
    assert robot.change_state("configure")
    assert process.interrupt() == 0
