"""The thread that looks and the thread that commands, each on its own; no ROS."""

import itertools
import logging
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from lapa_edge_ros.inference import Inference
from lapa_edge_ros.joints import StateBoard
from lapa_edge_ros.publisher import Publisher, StopLog, next_tick
from node_parts import PIXELS, frame

from lapa_edge.errors import ConfigError, RuntimeInputError
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


def test_no_instruction_is_lost_at_whatever_step_of_taking_the_last_it_comes():
    """One comes before each of the interpreter's steps in turn."""
    for step in itertools.count():
        policy = Policy()
        thread = inference(policy, [])
        thread.instruct("push right")
        came = say_at_step(step, thread)
        thread.look(frame())  # takes either
        assert policy.instruction == ("reach" if came else "push right")
        if not came:
            break
    assert step > 10, "there were steps to come between"


def say_at_step(step, thread):
    """Take the instruction that waits; say another one before the step of this number, if any."""
    steps = itertools.count()
    said = []

    def trace(called, event, _):
        if called.f_code is not Inference._follow_instruction.__code__:
            return None
        called.f_trace_opcodes = True
        if event == "opcode" and next(steps) == step:
            said.append(thread.instruct("reach"))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        thread._follow_instruction()
    finally:
        sys.settrace(before)
    return said


def test_looking_goes_on_after_a_latent_that_could_not_be_handed_over(caplog):
    policy, handed, broken = Policy(), [], [OSError("no route")]

    def hand_over(*both):
        if broken:
            raise broken.pop()
        handed.append(both)

    thread = Inference(
        policy, StateBoard(NAMES), state_timeout_s=0.2, policy_hz=50.0, hand_over=hand_over, log=LOG
    )
    thread.start()
    thread.mailbox.put(frame())
    wait_for(lambda: thread.failure)
    assert thread.failure == "inference failed: OSError('no route')"
    thread.mailbox.put(frame())
    wait_for(lambda: handed)
    assert thread.end()
    assert thread.failure is None


def test_no_episode_begins_while_a_latent_of_the_last_one_is_handed_over(monkeypatch):
    handing, released, handed = threading.Event(), threading.Event(), []

    def hand_over(*both):
        handing.set()
        released.wait(10)
        handed.append(both)

    thread = Inference(
        Policy(), StateBoard(NAMES), state_timeout_s=0.2, policy_hz=50.0, hand_over=hand_over,
        log=LOG,
    )  # fmt: skip
    looking = threading.Thread(target=thread.look, args=(frame(),))
    looking.start()
    assert handing.wait(5)
    with monkeypatch.context() as short:
        short.setattr("lapa_edge_ros.inference.JOIN_TIMEOUT_S", 0.05)
        with pytest.raises(ConfigError, match="handing over a latent hangs"):
            thread.forget()
    forgetting = threading.Thread(target=thread.forget)
    forgetting.start()
    time.sleep(0.02)
    assert forgetting.is_alive()
    released.set()
    forgetting.join(5)
    looking.join(5)
    assert len(handed) == 1, "before the episode began, and not after"


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
    """Passes everything on; what it decided and was not told to take back is what was sent."""

    def __init__(self):
        self.told = []

    def decide(self, command, facts):
        reason = StopReason.POLICY if command.stopped else None
        gated = SimpleNamespace(stopped=command.stopped, reason=reason, latent_age_s=0.0)
        self.told.append(gated)
        return gated

    def take_back(self):
        self.told.pop()


def facts():
    return Facts(
        now_s=time.monotonic(), ros_now_s=1000.0, image_received_s=5.0, image_stamp_s=999.9,
        latent_age_s=0.0, state=None, state_age_s=0.0,
    )  # fmt: skip


def publisher(sent, *, failure=lambda: None, send=None, rate_hz=200.0, gate=None):
    command = Command(np.zeros(2, np.float32), None, 0, 0.0)
    return Publisher(
        SimpleNamespace(command=lambda now_s: command, ready_s=time.monotonic()),
        gate or Gate(),
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


def test_commands_go_on_after_some_that_could_not_be_sent(caplog):
    sent, tries, gate = [], [], Gate()

    def send(*both):
        tries.append(both)
        if len(tries) < 6:
            assert thread.failure is None or "no route" in thread.failure
            raise OSError("no route")
        sent.append(both[0])

    thread = publisher(sent, send=send, gate=gate)
    thread.start()
    wait_for(lambda: sent)
    assert thread.end()
    assert thread.unsent == 5
    assert thread.failure is None, "only as long as it fails"
    assert gate.told == sent, "the gate counts on nothing that was not sent"
    complaints = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(complaints) == 1, "said now and then, not at every tick"
    assert "no route" in complaints[0].message


def test_the_failure_to_send_is_remembered_as_long_as_it_lasts():
    def send(*both):
        raise OSError("no route")

    thread = publisher([], send=send)
    thread.start()
    wait_for(lambda: thread.unsent > 2)
    assert thread.failure == "commands are not sent: OSError('no route')"
    assert thread.end()


def test_a_stop_in_a_hurry_is_sent_between_two_ticks_and_they_keep_their_grid(machine):
    def hurry():
        sent = []
        thread = publisher(sent, rate_hz=4.0)
        thread.start()
        wait_for(lambda: sent)
        time.sleep(0.05)
        hurried_s = time.monotonic()
        thread.hurry()
        wait_for(lambda: len(sent) == 2)
        assert time.monotonic() - hurried_s < 0.1, "long before the tick"
        wait_for(lambda: thread.ticks == 3)
        ended_s = time.monotonic()
        assert thread.end()
        assert time.monotonic() - ended_s < 0.1, "the end does not wait for a tick either"
        assert np.diff(thread.began_s) == pytest.approx([0.25, 0.25], abs=0.02)
        assert len(sent) == 4

    machine.undisturbed(hurry)


class HeldUpGate(Gate):
    """Decides for the first time only after it is told to."""

    def __init__(self):
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def decide(self, command, facts):
        gated = super().decide(command, facts)
        if len(self.told) == 1 and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(10)
        return gated


def test_a_command_that_was_held_up_is_decided_anew_before_it_is_sent():
    sent, failures, gate = [], [], HeldUpGate()
    thread = publisher(sent, gate=gate, failure=lambda: failures and failures[0])
    ticking = threading.Thread(target=thread.tick, args=(5.0,))
    ticking.start()
    assert gate.reached.wait(5)
    failures.append("inference failed: meanwhile")
    time.sleep(0.01)  # two periods
    gate.go_on.set()
    ticking.join()
    assert [gated.stopped for gated, _ in sent] == ["inference failed: meanwhile"]
    assert gate.told == [sent[0][0]], "what was not sent is taken back"
    assert time.monotonic() - sent[0][1].now_s < 1, "with the facts of now"


def test_a_command_that_is_held_up_past_the_end_is_never_sent():
    sent, gate = [], HeldUpGate()
    thread = publisher(sent, gate=gate)
    thread.start()
    assert gate.reached.wait(5)
    assert not thread.end(timeout_s=0.05)
    gate.go_on.set()
    assert thread.end()
    assert not sent
    assert not gate.told


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
