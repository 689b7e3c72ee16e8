"""The thread that commands: a tick, what holds it up, and its end; no ROS."""

import logging
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from lapa_edge_ros.publisher import Publisher, StopLog, next_tick
from node_parts import wait_for

from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.reasons import StopReason
from lapa_edge.runtime.safety import Command

LOG = logging.getLogger("node")


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
        send=send or (lambda *both: bool(sent.append(both) or both)),
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
        return True

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


def test_what_told_the_robot_nothing_is_taken_back():
    """An output may keep silent until the first motion; the gate must not think it was heard."""
    sent, gate = [], Gate()
    thread = publisher(sent, send=lambda *both: len(sent) > 1 or bool(sent.append(both)), gate=gate)
    for _ in range(4):
        thread.tick(5.0)
    assert len(gate.told) == 2


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
