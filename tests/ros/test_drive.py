"""From frames to commands in one process, threads and all; no ROS."""

import logging
import threading
import time

import pytest
from lapa_edge_ros.drive import Drive
from lapa_edge_ros.wiring import read_wiring
from node_parts import PIXELS, frame, settings
from robot_bundles import JOINTS, write_joint_bundle

from lapa_edge.errors import BundleError, ConfigError
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


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"backend": "tensorrt"}, ConfigError, "TensorRT has no CPU"),
        ({"backend": "tensorrt", "device": "cuda"}, BundleError, "has no engine of policy.onnx"),
    ],
)
def test_a_backend_that_cannot_run_the_bundle_is_refused(joint_bundle, changes, error, words):
    with pytest.raises(error, match=words):
        Robot(joint_bundle, **changes)


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
    monkeypatch.setattr("lapa_edge_ros.drive.END_S", 0.05)
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
    with pytest.raises(ConfigError, match="a look or a command that hung"):
        robot.drive.start()
    released.set()
    robot.drive._left[0].end()
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


def test_the_source_is_shown_no_state_between_episodes(joint_bundle, monkeypatch):
    robot, shown = Robot(joint_bundle), []
    monkeypatch.setattr(robot.drive.source, "set_state", lambda *all: shown.append(all))
    robot.feed()
    robot.drive.start()
    robot.feed()
    assert len(shown) == 1
    robot.drive.halt("enough")
    robot.feed()
    assert len(shown) == 1


def test_an_episode_that_is_reset_ends_with_a_stop_and_the_next_waits_for_an_image(robot):
    robot.moves()
    count = len(robot.sent)
    robot.drive.forget()
    robot.until(lambda gated: gated.reason is StopReason.NO_IMAGE)
    after = [gated.reason for gated in robot.sent[count:]]
    ended = after.index(StopReason.ENDED)
    assert after.count(StopReason.ENDED) == 1
    assert set(after[ended + 1 :]) == {StopReason.NO_IMAGE}
    assert not robot.sent[count + ended].action.any()
    robot.moves()


def test_an_episode_that_cannot_begin_leaves_a_robot_that_was_stopped(robot, monkeypatch):
    robot.moves()

    def refuse():
        raise ConfigError("control loop", "no thread")

    with monkeypatch.context() as refused:
        refused.setattr(robot.drive.source, "start", refuse)
        with pytest.raises(ConfigError, match="no thread"):
            robot.drive.forget()
    assert not robot.drive.running
    assert [gated.reason for gated in robot.sent[-3:]] == [StopReason.ENDED] * 3
    assert not robot.drive.halt("again")
    robot.drive.start()
    robot.moves()


def test_no_episode_begins_while_a_command_of_the_last_one_hangs(robot, monkeypatch):
    monkeypatch.setattr("lapa_edge_ros.drive.END_S", 0.05)
    robot.moves()
    sending, released = hang(robot.drive._publisher, "_send", monkeypatch)
    assert sending.wait(5)
    with pytest.raises(ConfigError, match="a look or a command that hung"):
        robot.drive.forget()
    assert robot.drive.hung
    assert not robot.drive.running
    with pytest.raises(ConfigError, match="a look or a command that hung"):
        robot.drive.start()
    released.set()
    for part in robot.drive._left:
        assert part.end()
    robot.drive.start()
    robot.moves()


def hang(part, name, monkeypatch):
    """Let a method of a part hang from now on: events of its being called, and of letting it go."""
    reached, released, whole = threading.Event(), threading.Event(), getattr(part, name)

    def hanging(*args):
        reached.set()
        released.wait(10)
        return whole(*args)

    monkeypatch.setattr(part, name, hanging)
    return reached, released


def test_an_end_takes_no_longer_where_looks_and_commands_both_hang(robot, monkeypatch):
    robot.moves()
    sending, sent = hang(robot.drive._publisher, "_send", monkeypatch)
    looking, looked = hang(robot.drive._policy, "look", monkeypatch)
    robot.feed()
    assert sending.wait(5)
    assert looking.wait(5)
    began_s = time.monotonic()
    robot.drive.halt("enough")
    assert time.monotonic() - began_s < 1.5, "one second for both"
    assert robot.sent[-1].reason is StopReason.ENDED
    sent.set()
    looked.set()
    for part in robot.drive._left:
        assert part.end()


def test_every_episode_begins_with_the_parameters_instruction(robot):
    robot.drive.instruct("reach")
    robot.moves()
    robot.until(lambda gated: robot.latents and robot.latents[-1][2] == "reach", robot.feed)
    robot.drive.halt("enough")
    robot.latents.clear()
    robot.drive.start()
    robot.moves()
    assert {words for _, _, words in robot.latents} == {"push left"}


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


def test_an_estop_whose_silence_counts_stops_the_robot_until_it_speaks_again(joint_bundle):
    robot = Robot(joint_bundle, estop_timeout=0.2)
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
