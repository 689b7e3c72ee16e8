"""The thread that looks: frames and words in, latents out; no ROS."""

import itertools
import logging
import sys
import threading
import time
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from bundles import write_tiny_bundle
from lapa_edge_ros.inference import Inference, warm_up
from lapa_edge_ros.joints import StateBoard
from node_parts import PIXELS, frame, wait_for

from lapa_edge.errors import BundleError, ConfigError, RuntimeInputError
from lapa_edge.runtime import policy as policy_module

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


def test_a_graph_whose_vectors_are_not_as_long_as_the_manifest_says_is_refused(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny", context_dim=4)
    policy = policy_module.Policy(bundle, "push left")
    warm_up(policy)
    other = msgspec.structs.replace(bundle.spec, context_dim=5)
    with pytest.raises(BundleError, match=r"expected latent and context of .*5.* numbers, got"):
        warm_up(SimpleNamespace(spec=other, look=policy.look))
