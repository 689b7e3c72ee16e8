"""From frames to commands in one process, threads and all; no ROS."""

import logging
import threading
import time

import pytest
from lapa_edge_ros.drive import Drive
from lapa_edge_ros.wiring import read_wiring
from node_parts import PIXELS, frame, settings
from robot_bundles import JOINTS, write_joint_bundle

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.motion_gate.latches import Latches
from lapa_edge.runtime.motion_gate.reasons import StopReason


class Robot:
    """A drive, and what it sends."""

    def __init__(self, bundle, **changes):
        self.sent, self.latents = [], []
        said = settings(model_path=str(bundle.root), instruction="push left", **changes)
        self.latches = Latches(enabled=True)
        self.drive = Drive(
            bundle,
            said,
            read_wiring(said, bundle.spec),
            self.latches,
            ros_now_s=time.time,
            send=lambda gated, facts: self.sent.append(gated),
            report=lambda *all: self.latents.append(all),
            log=logging.getLogger("node"),
        )
        self.settings = said

    def feed(self):
        now_s = time.monotonic()
        self.drive.hear_joints(JOINTS, (0.1, 0.2, 0.3), now_s)
        self.drive.hear_image(frame(now_s, time.time(), lambda: PIXELS))

    def until(self, reached, *feeds, timeout_s=5.0):
        end_s = time.monotonic() + timeout_s
        while not (self.sent and reached(self.sent[-1])):
            assert time.monotonic() < end_s, self.sent and self.sent[-1].stopped
            for feed in feeds:
                feed()
            time.sleep(0.02)

    def moves(self):
        self.until(lambda gated: gated.stopped is None, self.feed)


@pytest.fixture(scope="module")
def joint_bundle(tmp_path_factory):
    return write_joint_bundle(tmp_path_factory.mktemp("drive") / "joints")


@pytest.fixture
def robot(joint_bundle):
    robot = Robot(joint_bundle)
    robot.drive.start()
    yield robot
    robot.drive.halt("the test is over")


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


def test_halting_sends_three_stops_and_no_more(robot):
    robot.moves()
    assert robot.drive.halt("enough")
    last = robot.sent[-3:]
    assert [gated.reason for gated in last] == [StopReason.ENDED] * 3
    assert not any(gated.action.any() for gated in last)
    count = len(robot.sent)
    time.sleep(0.1)
    assert len(robot.sent) == count
    assert not robot.drive.halt("again"), "nothing runs, nobody is told to stop"


def test_a_second_episode_waits_for_an_image_of_its_own(robot):
    robot.moves()
    robot.drive.halt("enough")
    robot.sent.clear()
    robot.drive.start()
    robot.until(lambda gated: gated.reason is StopReason.NO_IMAGE)
    assert all(gated.stopped for gated in robot.sent)
    robot.moves()


def test_no_episode_begins_while_a_look_of_the_last_one_hangs(joint_bundle, monkeypatch):
    monkeypatch.setattr("lapa_edge_ros.inference.JOIN_TIMEOUT_S", 0.05)
    robot, looking, released = Robot(joint_bundle), threading.Event(), threading.Event()
    whole = robot.drive._policy.look

    def hang(*args):
        looking.set()
        released.wait(10)
        return whole(*args)

    with monkeypatch.context() as hung:
        hung.setattr(robot.drive._policy, "look", hang)
        robot.drive.start()
        robot.feed()
        assert looking.wait(5)
        robot.drive.halt("enough")
    assert robot.drive.hung
    assert robot.sent[-1].reason is StopReason.ENDED
    with pytest.raises(ConfigError, match="the look that hung"):
        robot.drive.start()
    released.set()
    robot.drive._left.end()
    robot.drive.start()
    robot.moves()
    robot.drive.halt("the test is over")


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
    assert "native control loop" in report.backend
    assert report.stops["no_image"] >= 0
