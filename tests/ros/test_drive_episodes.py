"""How episodes of a drive begin and end, threads that hang or cannot start included; no ROS."""

import threading
import time

import pytest
from driven import Robot

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.motion_gate.reasons import StopReason


@pytest.fixture
def robot(bundle):
    with Robot(bundle) as robot:
        yield robot


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


def test_no_episode_begins_while_a_look_of_the_last_one_hangs(bundle, monkeypatch):
    monkeypatch.setattr("lapa_edge_ros.drive.END_S", 0.05)
    robot, looking, released = Robot(bundle), threading.Event(), threading.Event()
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


@pytest.mark.parametrize("which", ["publisher", "inference"])
def test_an_episode_whose_thread_cannot_start_leaves_none_running(bundle, monkeypatch, which):
    robot, start = Robot(bundle), threading.Thread.start

    def refuse(thread):
        if which in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as refused:
        refused.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            robot.drive.start()
    assert not robot.drive.running
    assert not robot.drive.source._loop.running
    assert all(gated.stopped for gated in robot.sent)
    with robot:
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
