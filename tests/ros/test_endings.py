"""The end of a node that drives: what the motor driver hears last."""

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from dds import OVER_DDS
from lapa_edge_ros.node import start as start_node
from lapa_edge_ros.signals import Signals
from rclpy.duration import Duration
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import LivelinessPolicy, QoSProfile

pytestmark = OVER_DDS

EXIT_S = 5.0
LEASE_S = 0.1  # what the README promises at 100 Hz
NOTICE_S = 0.1  # the middleware looks at leases from time to time, on a busy machine


@pytest.fixture
def start(rigs, bundle):
    """A function that starts a node which will drive."""

    def start_one():
        return rigs.start(
            model_path=bundle.root, instruction="push left", autostart=True, start_enabled=True
        )

    return start_one


@pytest.mark.parametrize(
    "signals",
    [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP]],
    ids=["SIGINT", "double SIGINT", "SIGTERM", "SIGHUP"],
)
def test_after_a_signal_the_last_command_is_zero_and_the_status_0(start, signals):
    rig = start()
    rig.drive()
    sent_s = time.monotonic()
    for number in signals:
        rig.node.send_signal(number)
        time.sleep(0.02)  # two that are pending at once are one
    assert rig.node.wait(EXIT_S) == 0, rig.node.log
    assert time.monotonic() - sent_s < EXIT_S
    rig.robot.listen(0.3)
    last = rig.robot.commands[-3:]
    assert len(last) == 3
    assert not any(command.moves for command in last)
    assert "Traceback" not in rig.node.log


def test_a_signal_ends_a_node_that_is_not_active(rigs, bundle):
    started = [rigs.start(model_path=bundle.root) for _ in range(2)]
    assert started[1].robot.change_state("configure")
    assert started[0].robot.node_state() == "unconfigured"
    for rig in started:
        status, took_s = rig.node.interrupt()
        assert status == 0
        assert took_s < EXIT_S
        assert not rig.robot.commands, "another controller may have the robot"


def test_a_peer_sees_within_the_lease_that_the_node_was_killed(start, machine):
    lease = Duration(seconds=LEASE_S)
    asked = QoSProfile(
        depth=1, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, liveliness_lease_duration=lease
    )

    def kill():
        rig = start()
        alive = rig.robot.watch_liveliness(asked)
        rig.drive()
        rig.robot.wait_until(lambda: alive and alive[-1][1] == 1)
        killed_s = time.monotonic()
        rig.node.send_signal(signal.SIGKILL)
        rig.robot.wait_until(lambda: alive[-1][1] == 0)
        assert alive[-1][0] - killed_s < LEASE_S + NOTICE_S

    machine.undisturbed(kill)


def test_nothing_is_activated_after_a_signal_that_came_while_the_bundle_was_loaded():
    signals, done = Signals(), []

    def configure():
        signals.caught.append(signal.SIGINT)
        return TransitionCallbackReturn.SUCCESS

    node = SimpleNamespace(trigger_configure=configure, trigger_activate=lambda: done.append(1))
    assert start_node(node, signals), "it ends in order, with status 0"
    assert not done


def test_wrong_ros_arguments_are_told_in_one_line(rigs):
    wrong = ("-m", "lapa_edge_ros.node", "--ros-args", "--params-file", "/nowhere.yaml")
    rig = rigs.start(program=wrong)
    assert rig.node.wait() == 1
    assert "/nowhere.yaml" in rig.node.log
    assert len([line for line in rig.node.log.splitlines() if line.startswith("policy:")]) == 1
    assert "Traceback" not in rig.node.log


def test_a_signal_that_was_ignored_before_stays_so(monkeypatch):
    caught = {}
    monkeypatch.setattr(signal, "signal", caught.__setitem__)
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)  # by nohup
    Signals().catch()
    assert set(caught) == {signal.SIGINT, signal.SIGTERM}


def test_a_signal_that_comes_while_python_itself_ends_leaves_the_status(ros_environment):
    code = (
        "import os, sys; from lapa_edge_ros.signals import Signals; s = Signals(); s.catch(); "
        # Deleted when Python has put back handlers of its own.
        "kill = lambda _, kill=os.kill, pid=os.getpid(): kill(pid, 2); "
        "sys.last = type('Last', (), {'__del__': kill})(); del kill; "
    )
    for more, status in (("s.ignore()", 0), ("", -signal.SIGINT)):
        command = [sys.executable, "-c", code + more]
        done = subprocess.run(command, env=ros_environment, timeout=EXIT_S, check=False)
        assert done.returncode == status
