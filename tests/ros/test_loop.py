"""The two threads and what passes between them; needs no ROS."""

import logging
import threading
import time

import numpy as np
import pytest
from lapa_edge_ros.control import Limits
from lapa_edge_ros.loop import Loop, Mailbox

from lapa_edge.runtime.session import Session

NAMES = ("joint_0", "joint_1", "joint_2")
FRAME = np.full((16, 16, 3), 90, np.uint8)


class Ears:
    """Notes what a loop publishes and reports."""

    def __init__(self):
        self.commands, self.latents = [], []

    def loop(self, session, control_hz=100.0):
        """A loop around the session that talks to these ears."""
        return Loop(
            session,
            Limits(0.2, 0.2),
            policy_hz=50.0,
            control_hz=control_hz,
            publish=self.commands.append,
            report=lambda latent, now_s: self.latents.append(latent),
            log=logging.getLogger("loop"),
        )


@pytest.fixture
def session(bundle):
    return Session(bundle, "push left")


def fresh(loop, now_s=0.0):
    """Give the loop a state and a look at time `now_s`."""
    loop.offer_state(NAMES, (0.1, 0.2, 0.3), now_s)
    loop.offer_image(FRAME, now_s)
    loop.look((FRAME, now_s))


def test_the_mailbox_keeps_only_the_newest():
    box = Mailbox()
    box.put((FRAME, 1.0))
    box.put((FRAME, 2.0))
    assert box.take(0.0)[1] == 2.0
    assert box.take(0.0) is None


def test_a_look_lets_the_robot_move(session):
    loop = Ears().loop(session)
    fresh(loop)
    assert loop.tick(0.05).stopped is None


def test_a_failed_inference_stops_at_once_and_a_good_one_goes_on(session, monkeypatch):
    loop = Ears().loop(session)
    fresh(loop)
    with monkeypatch.context() as broken:
        broken.setattr(session, "look", lambda *_: 1 / 0)
        loop.look((FRAME, 0.01))
    command = loop.tick(0.02)
    assert command.stopped == "inference failed: division by zero"
    assert not command.action.any()
    loop.look((FRAME, 0.03))
    assert loop.tick(0.04).stopped is None


def test_a_failed_head_stops(session, monkeypatch):
    loop = Ears().loop(session)
    fresh(loop)
    monkeypatch.setattr(session.head, "forward", lambda x: 1 / 0)
    assert loop.tick(0.05).stopped == "control failed: division by zero"


def test_a_refused_instruction_leaves_the_old_one(session, caplog):
    loop = Ears().loop(session)
    loop.offer_instruction("x" * 5000)
    fresh(loop)
    assert "still following 'push left'" in caplog.text
    loop.offer_instruction("reach red")
    fresh(loop)
    assert session.policy.instruction == "reach red"


def test_the_latent_of_the_last_activation_does_not_count(session, monkeypatch):
    session.accept(session.look(FRAME, time.monotonic()))
    monkeypatch.setattr(session, "look", lambda *_: time.sleep(0.5))
    ears = Ears()
    loop = ears.loop(session)
    loop.start()
    loop.offer_state(NAMES, (0.1, 0.2, 0.3), time.monotonic())
    loop.offer_image(FRAME, time.monotonic())
    time.sleep(0.1)
    loop.end_control()
    assert ears.commands
    assert all(command.stopped for command in ears.commands)
    assert ears.commands[-1].stopped == "the policy has not looked yet"


def test_a_failed_publish_is_told_and_tried_again(session, caplog):
    loop = Ears().loop(session)
    loop._publish = lambda command: 1 / 0
    loop.start()
    time.sleep(0.1)
    loop.end_control()
    assert loop.ticks > 1
    assert "command was not published: division by zero" in caplog.text


def test_control_keeps_its_rate_beside_a_slow_inference(session, monkeypatch):
    look = session.look

    def slow_look(frame, seen_at_s):
        time.sleep(0.1)
        return look(frame, seen_at_s)

    monkeypatch.setattr(session, "look", slow_look)
    ears = Ears()
    loop = ears.loop(session, control_hz=50.0)
    loop.start()
    for _ in range(10):
        now_s = time.monotonic()
        loop.offer_state(NAMES, (0.1, 0.2, 0.3), now_s)
        loop.offer_image(FRAME, now_s)
        time.sleep(0.1)
    stop = loop.end_control()
    loop.end_inference()
    assert loop.ticks + loop.missed >= 45
    assert len(ears.commands) == loop.ticks > 30
    assert loop.stops < loop.ticks, "it moved"
    assert stop.stopped == "the node was deactivated"
    assert not stop.action.any()
    # An image taken at receipt and shown 0.1 s later must not pass for a new one.
    assert min(c.latent_age_s for c in ears.commands if c.stopped is None) >= 0.1


def test_ending_is_not_held_up_by_a_hanging_inference(session, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(session, "look", lambda *_: release.wait(10))
    loop = Ears().loop(session)
    loop.start()
    loop.offer_image(FRAME, time.monotonic())
    time.sleep(0.1)
    began_s = time.monotonic()
    assert loop.end_control().stopped
    assert time.monotonic() - began_s < 1.0
    release.set()
    loop.end_inference()
