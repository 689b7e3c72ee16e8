"""The thread that looks and the thread that commands, each on its own; no ROS."""

import logging
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from lapa_edge_ros.inference import Inference
from lapa_edge_ros.joints import StateBoard
from lapa_edge_ros.publisher import Publisher, StopLog, next_tick
from node_parts import PIXELS, frame

from lapa_edge.errors import RuntimeInputError
from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.reasons import StopReason
from lapa_edge.runtime.safety import Command

NAMES = ("joint_0", "joint_1", "joint_2")
LOG = logging.getLogger("node")


class Policy:
    """Looks as it is told to."""

    def __init__(self, *, told_state=False):
        self.spec = SimpleNamespace(policy_state=told_state)
        self.instruction = "push left"
        self.looked = []
        self.answer = lambda: "latent"

    def look(self, pixels, seen_at_s, state=None):
        self.looked.append((pixels, seen_at_s, state, self.instruction))
        return self.answer()

    def set_instruction(self, words):
        if len(words) > 20:
            raise RuntimeInputError("instruction", "too long")
        self.instruction = words
        return ["zebra"] if "zebra" in words else []


def inference(policy, handed, **changes):
    options = {"state_timeout_s": 0.2, "policy_hz": 50.0, "log": LOG} | changes
    board = options.pop("board", StateBoard(NAMES))
    return Inference(policy, board, hand_over=lambda *both: handed.append(both), **options)


def wait_for(reached, timeout_s=5.0):
    end_s = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < end_s, "not reached"
        time.sleep(0.002)


def test_a_look_hands_over_its_latent_and_the_frame_it_saw():
    policy, handed = Policy(), []
    seen = frame(7.0)
    inference(policy, handed).look(seen)
    assert handed == [("latent", seen)]
    assert policy.looked == [(PIXELS, 7.0, None, "push left")]


def test_a_look_that_raises_is_a_failure_until_one_succeeds(caplog):
    policy, handed = Policy(), []
    thread = inference(policy, handed)
    policy.answer = lambda: 1 / 0
    for _ in range(3):
        thread.look(frame())
    assert thread.failure == "inference failed: ZeroDivisionError('division by zero')"
    assert not handed
    assert len(caplog.records) == 1, "said once, not at every look"
    policy.answer = lambda: "latent"
    thread.look(frame())
    assert thread.failure is None
    assert len(handed) == 1


def test_an_image_that_cannot_be_decoded_is_a_failure():
    def broken():
        raise RuntimeInputError("image", "JPEG of 3 bytes is cut off")

    thread = inference(Policy(), [])
    thread.look(frame(pixels=broken))
    assert thread.failure == "inference failed: image: JPEG of 3 bytes is cut off"


def test_a_policy_that_is_told_the_state_gets_a_fresh_one_or_does_not_look():
    policy, handed, board = Policy(told_state=True), [], StateBoard(NAMES)
    thread = inference(policy, handed, board=board)
    thread.look(frame())
    assert "no position yet of joint_0, joint_1, joint_2" in thread.failure
    board.update(NAMES, (0.1, 0.2, 0.3), time.monotonic() - 1)
    thread.look(frame())
    assert "old, more than 0.200 s" in thread.failure
    assert not policy.looked
    board.update(NAMES, (0.1, 0.2, 0.3), time.monotonic())
    thread.look(frame())
    assert policy.looked[0][2].tolist() == np.float32([0.1, 0.2, 0.3]).tolist()
    assert thread.failure is None


@pytest.mark.parametrize("end", [Inference.forget, Inference.ask_to_end])
def test_a_look_that_outlasts_its_episode_hands_nothing_over(end):
    policy, handed = Policy(), []
    thread = inference(policy, handed)
    policy.answer = lambda: end(thread)
    thread.look(frame())
    assert not handed
    policy.answer = lambda: (end(thread), 1 / 0)
    thread.look(frame())
    assert thread.failure is None


def test_the_next_look_follows_the_newest_instruction():
    policy = Policy()
    thread = inference(policy, [])
    for words in ("push right", "reach"):
        thread.instruct(words)
    thread.look(frame())
    assert policy.looked[0][3] == "reach"


def test_an_instruction_that_is_refused_leaves_the_old_one(caplog):
    policy = Policy()
    thread = inference(policy, [])
    thread.instruct("x" * 30)
    thread.look(frame())
    assert policy.looked[0][3] == "push left"
    assert thread.failure is None
    assert "still following 'push left'" in caplog.text


def test_looks_are_no_more_frequent_than_the_policys_rate():
    policy = Policy()
    thread = inference(policy, [], policy_hz=20.0)
    thread.start()
    end_s = time.monotonic() + 0.5
    while time.monotonic() < end_s:
        thread.mailbox.put(frame())
        time.sleep(0.005)
    assert thread.end()
    assert 2 <= len(policy.looked) <= 11


def test_a_thread_that_hangs_is_left_behind(monkeypatch):
    monkeypatch.setattr("lapa_edge_ros.inference.JOIN_TIMEOUT_S", 0.05)
    policy, handed, released = Policy(), [], threading.Event()
    policy.answer = lambda: released.wait(10)
    thread = inference(policy, handed)
    thread.start()
    thread.mailbox.put(frame())
    wait_for(lambda: policy.looked)
    assert not thread.end()
    released.set()
    wait_for(thread.end)
    assert not handed


class Gate:
    """Passes everything on and remembers it."""

    def __init__(self):
        self.seen = []

    def decide(self, command, facts):
        self.seen.append(command)
        reason = StopReason.POLICY if command.stopped else None
        return SimpleNamespace(stopped=command.stopped, reason=reason, latent_age_s=0.0)


def facts():
    return Facts(
        now_s=5.0, ros_now_s=1000.0, image_received_s=5.0, image_stamp_s=999.9, latent_age_s=0.0,
        state=None, state_age_s=0.0,
    )  # fmt: skip


def publisher(sent, *, failure=lambda: None, send=None, rate_hz=200.0):
    command = Command(np.zeros(2, np.float32), None, 0, 0.0)
    return Publisher(
        SimpleNamespace(command=lambda now_s: command, ready_s=time.monotonic()),
        Gate(),
        rate_hz=rate_hz,
        failure=failure,
        read_facts=lambda command: facts(),
        send=send or (lambda *both: sent.append(both)),
        log=LOG,
    )


def test_a_failure_of_the_policy_stops_the_command():
    sent = []
    thread = publisher(sent, failure=lambda: "inference failed: so it goes")
    thread.tick(5.0)
    assert sent[0][0].stopped == "inference failed: so it goes"
    assert not thread.observation_ages_s, "only commands that move have an observation"


def test_a_command_that_moves_tells_the_age_of_its_observation():
    thread = publisher([])
    thread.tick(5.0)
    assert list(thread.observation_ages_s) == pytest.approx([0.1])


def test_commands_go_on_after_one_that_could_not_be_sent():
    sent, tries = [], []

    def send(*both):
        tries.append(both)
        if len(tries) < 3:
            raise OSError("no route")
        sent.append(both)

    thread = publisher(sent, send=send)
    thread.start()
    wait_for(lambda: sent)
    assert thread.end()
    assert thread.unsent == 2


def test_nothing_is_sent_after_the_end():
    sent = []
    thread = publisher(sent)
    thread.start()
    wait_for(lambda: sent)
    assert thread.end()
    count = len(sent)
    time.sleep(0.05)
    assert len(sent) == count


@pytest.mark.parametrize(("now_s", "deadline_s"), [(10.0, 10.01), (10.004, 10.01), (10.018, 10.01)])
def test_a_tick_that_is_late_by_less_than_a_period_keeps_to_its_grid(now_s, deadline_s):
    assert next_tick(10.0, now_s, 0.01) == (pytest.approx(deadline_s), 0)


def test_ticks_that_passed_are_skipped_and_the_grid_stays():
    deadline_s, missed = next_tick(10.0, 10.105, 0.01)
    assert missed >= 9
    assert deadline_s > 10.095, "no burst"
    steps = (deadline_s - 10.0) / 0.01
    assert steps == pytest.approx(round(steps))


def test_a_stop_is_said_when_it_begins_when_it_changes_and_now_and_then(caplog):
    caplog.set_level(logging.INFO)
    log = StopLog(LOG, repeat_s=2.0)

    def tell(reason, now_s):
        caplog.clear()
        stopped = reason and reason.value
        log.tell(SimpleNamespace(stopped=stopped, reason=reason), now_s)
        return caplog.messages

    assert tell(StopReason.NO_IMAGE, 0.0) == ["stopped: no_image"]
    assert tell(StopReason.NO_IMAGE, 0.1) == []
    assert tell(StopReason.ESTOP, 0.2) == ["stopped: estop"]
    assert tell(StopReason.ESTOP, 2.3) == ["stopped: estop"]
    assert tell(StopReason.NO_IMAGE, 2.4) == [], "reasons that alternate do not flood the log"
    assert tell(None, 2.4) == ["moving: every input is fresh"]
    assert tell(None, 2.5) == []
