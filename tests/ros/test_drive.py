"""From frames to commands in one process, threads and all; no ROS."""

import time

import pytest
from driven import Robot
from node_parts import frame, settings
from robot_bundles import JOINTS, write_joint_bundle

from lapa_edge.errors import BundleError, ConfigError
from lapa_edge.runtime.motion_gate.reasons import StopReason


@pytest.fixture
def robot(bundle):
    with Robot(bundle) as robot:
        yield robot


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"backend": "tensorrt"}, ConfigError, "TensorRT has no CPU"),
        ({"backend": "tensorrt", "device": "cuda"}, BundleError, "has no engine of policy.onnx"),
    ],
)
def test_a_backend_that_cannot_run_the_bundle_is_refused(bundle, changes, error, words):
    with pytest.raises(error, match=words):
        Robot(bundle, **changes)


def test_nothing_moves_before_an_image_and_then_it_does(robot):
    robot.until(lambda gated: gated.reason is StopReason.NO_IMAGE)
    robot.moves()
    assert {gated.reason for gated in robot.sent} <= {
        None, StopReason.NO_IMAGE, StopReason.LATENT_AGE, StopReason.POLICY
    }  # fmt: skip


def test_images_with_stamps_from_the_future_stop_the_robot(robot):
    robot.moves()

    def future():
        now_s = time.monotonic()
        robot.drive.hear_joints(JOINTS, (0.1, 0.2, 0.3), now_s)
        robot.drive.hear_image(frame(now_s, time.time() + 5))

    robot.until(lambda gated: gated.reason is StopReason.STAMP_FUTURE, future)


def test_a_robot_that_is_forbidden_to_move_is_not_shown_to_the_head(robot):
    robot.moves()
    robot.latches.enable(False)
    robot.until(lambda gated: gated.reason is StopReason.NOT_ENABLED, robot.feed)
    end_s = time.monotonic() + 5
    while robot.drive.source.command(0.0).stopped is None:
        assert time.monotonic() < end_s, "the loop goes on as if the robot had moved"
        robot.feed()
        time.sleep(0.02)
    robot.latches.enable(True)
    robot.moves()


def test_limits_change_while_it_runs_or_are_refused_and_stay(robot):
    robot.moves()
    changed = settings(model_path="", max_joint_step=0.002)
    robot.drive.set_limits(changed)
    robot.sent.clear()
    robot.moves()
    # 100 Hz: 0.2 rad/s.
    robot.until(lambda gated: 0 < abs(gated.velocity).max() <= 0.2 + 1e-6, robot.feed)
    with pytest.raises(ConfigError, match="workspace"):
        robot.drive.set_limits(settings(workspace_min=(0.0, 0.0, 0.0)))
    robot.sent.clear()
    robot.moves()
    assert abs(robot.sent[-1].velocity).max() <= 0.2 + 1e-6


def test_the_report_tells_what_happens(robot):
    robot.moves()
    report = robot.drive.read_report("active")
    assert report.reason is None
    assert report.images > 0
    assert report.looks_s
    assert report.instruction == "push left"
    assert "native control loop" in report.backend
    assert report.stops["not_enabled"] == 0
    robot.latches.enable(False)
    robot.until(lambda gated: gated.reason is StopReason.NOT_ENABLED, robot.feed)
    report = robot.drive.read_report("active")
    assert report.reason is StopReason.NOT_ENABLED
    assert report.stops["not_enabled"] > 0


def test_the_report_tells_that_nothing_can_be_sent(robot, monkeypatch):
    def fail(*both):
        raise OSError("no route")

    robot.moves()
    monkeypatch.setattr(robot.drive._publisher, "_send", fail)
    end_s = time.monotonic() + 5
    while not robot.drive.read_report("active").unsent_because:
        assert time.monotonic() < end_s
        time.sleep(0.005)
    assert "no route" in robot.drive.read_report("active").unsent_because


def test_the_source_is_shown_no_state_between_episodes(bundle, monkeypatch):
    robot, shown = Robot(bundle), []
    monkeypatch.setattr(robot.drive.source, "set_state", lambda *all: shown.append(all))
    robot.feed()
    robot.drive.start()
    robot.feed()
    assert len(shown) == 1
    robot.drive.halt("enough")
    robot.feed()
    assert len(shown) == 1


def test_a_stop_leaves_at_once_however_rare_the_ticks_are(tmp_path, machine):
    robot = Robot(write_joint_bundle(tmp_path / "slow", control_hz=2.0))
    robot.drive.start()
    stops = (robot.latches.stop, lambda: robot.latches.enable(False),
             lambda: robot.latches.set_estop(True))  # fmt: skip

    def stop_at_once():
        for stop in stops:
            robot.latches.set_estop(False)
            robot.latches.reset()
            robot.latches.enable(True)
            robot.moves()
            stopped_s = time.monotonic()
            stop()
            robot.until(lambda gated: gated.stopped)
            assert time.monotonic() - stopped_s < 0.1, "the next tick may be 0.5 s away"

    try:
        machine.undisturbed(stop_at_once)
    finally:
        robot.drive.halt("the test is over")


def test_an_estop_whose_silence_counts_stops_the_robot_until_it_speaks_again(bundle):
    robot = Robot(bundle, estop_timeout=0.2)
    robot.drive.start()
    try:
        robot.until(lambda gated: gated.reason is StopReason.ESTOP_SILENT, robot.feed)

        def speak():
            robot.latches.set_estop(False, time.monotonic())

        robot.until(lambda gated: gated.stopped is None, robot.feed, speak)
        robot.until(lambda gated: gated.reason is StopReason.ESTOP_SILENT, robot.feed)
        robot.until(lambda gated: gated.stopped is None, robot.feed, speak)  # no reset is needed
    finally:
        robot.drive.halt("the test is over")
