"""The running node, message by message."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip(
    "rclpy",
    reason="rclpy is missing: pip install ros-jazzy-rclpy ros-jazzy-common-interfaces "
    "ros-jazzy-rmw-fastrtps-cpp",
)
# A parser that rclpy brings along imports sre_parse.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

# Time that a busy shared machine may add to a reaction; on a robot it is one control period.
MARGIN_S = 0.3
IMAGE_TIMEOUT_S = STATE_TIMEOUT_S = 0.2


@pytest.fixture
def driving(robot, start_node, bundle):
    """The robot and an autostarted node whose commands are flowing."""
    process = start_node(
        model_path=bundle.root, instruction="push the red block", autostart=True, policy_rate=20.0
    )
    robot.run_until(robot.moves, robot.send_image, robot.send_state)
    return robot, process


def test_image_in_bounded_command_out(driving, bundle):
    robot, _ = driving
    robot.run(1.0, robot.send_image, robot.send_state)
    spec = bundle.spec.action
    actions = robot.actions()
    assert np.isfinite(actions).all()
    assert (actions >= spec.low).all()
    assert (actions <= spec.high).all()
    assert robot.layout.dim[0].label == ",".join(spec.names)
    assert all(len(latent["codes"]) == 2 for latent in robot.latents)
    assert all(0 <= latent["age_s"] < 1 for latent in robot.latents)


def test_commands_come_at_control_rate(driving, bundle):
    robot, _ = driving
    robot.commands.clear()
    robot.run(2.0, robot.send_image, robot.send_state)
    times = [arrived for arrived, _ in robot.commands]
    rate_hz = (len(times) - 1) / (times[-1] - times[0])
    assert rate_hz == pytest.approx(bundle.spec.action.control_hz, rel=0.1)


def test_nothing_but_stop_before_the_first_image(robot, start_node, bundle):
    start_node(model_path=bundle.root, instruction="push left", autostart=True)
    robot.run_until(lambda: len(robot.commands) > 20, robot.send_state)
    assert not robot.moves()


def test_stale_image_stops_the_robot(driving):
    robot, _ = driving
    robot.send_image()
    sent_s = time.monotonic()
    robot.run(1.5, robot.send_state)
    # The bundle allows latents of 10 s, so it is the image watchdog that answers here.
    assert robot.last_move_s() - sent_s < IMAGE_TIMEOUT_S + MARGIN_S
    stops = [arrived for arrived, _ in robot.commands if arrived > robot.last_move_s()]
    assert len(stops) > 20, "stop must be repeated: a driver may have missed the first"
    robot.commands.clear()
    robot.run_until(robot.moves, robot.send_image, robot.send_state)  # and goes on by itself


def test_stale_state_stops_the_robot(driving):
    robot, _ = driving
    robot.send_state()
    sent_s = time.monotonic()
    robot.run(1.5, robot.send_image)
    assert robot.last_move_s() - sent_s < STATE_TIMEOUT_S + MARGIN_S


def test_nan_state_stops_the_robot(driving):
    robot, _ = driving

    def send_nan():
        robot.send_state((0.1, float("nan"), 0.3))

    sent_s = time.monotonic()
    robot.run(1.0, robot.send_image, send_nan)
    assert robot.last_move_s() - sent_s < MARGIN_S


def test_wrong_encoding_is_refused(robot, start_node, bundle):
    process = start_node(model_path=bundle.root, instruction="push left", autostart=True)

    def send_depth():
        robot.send_image("16UC1")

    robot.run_until(lambda: len(robot.commands) > 20, send_depth, robot.send_state)
    assert not robot.moves()
    assert process.interrupt() == 0
    assert "expected encoding rgb8, bgr8, mono8, got '16UC1'" in process.log


@pytest.mark.parametrize("encoding", ["bgr8", "mono8"])
def test_other_encodings_drive(robot, start_node, bundle, encoding):
    start_node(model_path=bundle.root, instruction="push left", autostart=True)
    robot.run_until(robot.moves, lambda: robot.send_image(encoding), robot.send_state)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_stop_and_status_0(driving, number):
    robot, process = driving
    robot.send_image()
    robot.send_state()
    status = process.interrupt(number)
    robot.run(0.5)
    assert status == 0, process.log
    assert not robot.actions()[-3:].any()
    assert "commands" in process.log


def test_a_new_instruction_is_followed(driving):
    robot, process = driving
    robot.send_instruction("reach right zebra")
    robot.run_until(
        lambda: robot.latents and robot.latents[-1]["instruction"] == "reach right zebra",
        robot.send_image,
        robot.send_state,
    )
    process.interrupt()
    assert "training never met zebra" in process.log


def test_dry_run_leaves_the_robot_alone(robot, start_node, bundle):
    start_node(model_path=bundle.root, instruction="push left", autostart=True, dry_run=True)
    robot.run_until(
        lambda: any(any(action) for action in robot.dry_commands),
        robot.send_image,
        robot.send_state,
    )
    assert not robot.commands
