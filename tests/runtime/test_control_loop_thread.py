"""The native thread: its own rate whatever Python does, from its start to its stop."""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from bundles import write_tiny_bundle
from control_loops import STATE, build_latent, feed, wait_until, write_mixed_bundle

from lapa_edge.errors import ConfigError, RuntimeInputError
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.policy import Latent

EXPECTED_REFUSAL = (
    "control loop: priority: expected leave to run as SCHED_FIFO 80, "
    'got "Operation not permitted" at a limit of 0; raise it (ulimit -r'
)
# Python warns of forks beside threads since 3.12; these children run next to nothing.
forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("loop") / "tiny")


@pytest.fixture
def loop(bundle):
    return ControlLoop(bundle)


@pytest.fixture
def fed(bundle):
    """A running loop of 500 Hz with a fresh latent and state."""
    with ControlLoop(bundle, LoopOptions(rate_hz=500, max_state_age_s=10)) as loop:
        feed(loop)
        wait_until(lambda: loop.latest_action().stopped is None)
        yield loop


@pytest.mark.parametrize("early_wake_s", [0.0, 200e-6])
def test_the_thread_keeps_its_rate_and_moves_the_robot(bundle, early_wake_s):
    options = LoopOptions(rate_hz=200, early_wake_s=early_wake_s, max_state_age_s=10)
    with ControlLoop(bundle, options) as loop:
        feed(loop)
        time.sleep(0.4)
        command = loop.latest_action()
    stats = loop.stats()
    assert command.stopped is None
    assert command.action.any()
    assert 60 <= stats.ticks + stats.skipped <= 100
    assert command.tick <= stats.ticks
    assert stats.statuses["moving"] >= stats.ticks - stats.statuses["no_latent"] - 2
    assert 0 < stats.execution.p50_s < 1e-3
    assert 0 < stats.latent_age.p50_s < 0.4
    assert stats.lateness.p50_s <= stats.lateness.p99_s <= stats.lateness.max_s


def test_ages_grow_while_nothing_comes(fed):
    first = fed.latest_action()
    time.sleep(0.1)
    second = fed.latest_action()
    passed_s = second.ticked_at_s - first.ticked_at_s
    assert passed_s > 0.05
    assert second.latent_age_s - first.latent_age_s == pytest.approx(passed_s, abs=1e-6)
    assert second.state_age_s - first.state_age_s == pytest.approx(passed_s, abs=1e-6)


def test_a_bad_state_stops_the_running_robot(fed):
    fed.set_observation(np.array([0, np.nan, 0], np.float32), time.monotonic())
    wait_until(lambda: fed.latest_action().stopped == "state is not finite")
    fed.set_observation(STATE, time.monotonic())
    wait_until(lambda: fed.latest_action().stopped is None)


def test_a_bad_latent_stops_the_running_robot(fed):
    latent = build_latent(time.monotonic())
    fed.set_latent(Latent(latent.codes, latent.vector, latent.context * np.nan, time.monotonic()))
    wait_until(lambda: fed.latest_action().stopped == "latent is not finite")


def test_an_old_latent_stops_the_running_robot(fed):
    wait_until(lambda: str(fed.latest_action().stopped).startswith("latent is 0.50"))
    assert not fed.latest_action().action.any()


def test_a_stopped_loop_has_told_the_robot_to_stop(fed):
    moving = fed.latest_action()
    begin_s = time.monotonic()
    fed.stop()
    assert time.monotonic() - begin_s < 0.1
    command = fed.latest_action()
    assert command.stopped == "the control loop has not ticked yet, or has ended"
    assert not command.action.any()
    assert command.ticked_at_s >= moving.ticked_at_s


def test_a_loop_that_hangs_stops_the_robot(bundle):
    options = LoopOptions(rate_hz=500, max_state_age_s=10, max_command_age_s=1e-9)
    with ControlLoop(bundle, options) as loop:
        feed(loop)
        wait_until(lambda: loop.stats().statuses["moving"] > 0)
        command = loop.latest_action()
        assert command.stopped.startswith("the last tick was 0.0")
        assert not command.action.any()


def test_a_robot_of_a_loop_that_hangs_stays_where_it_was(tmp_path):
    bundle = write_mixed_bundle(tmp_path / "mixed")
    options = LoopOptions(rate_hz=500, max_state_age_s=10, max_command_age_s=1e-9)
    with ControlLoop(bundle, options) as loop:
        feed(loop)
        wait_until(lambda: loop.stats().statuses["moving"] > 0)
        sent = loop._loop.latest_action()
        command = loop.latest_action()
    assert command.stopped.startswith("the last tick was 0.0")
    velocity, joint_2, gripper, joint_0 = command.action.tolist()
    assert (velocity, joint_2, joint_0) == (0, STATE[2], STATE[0])
    assert gripper == pytest.approx(sent.action[2], abs=0.1), "it drifts a little between the two"


def test_a_new_start_is_a_new_episode(fed):
    fed.stop()
    fed.start()
    wait_until(lambda: fed.latest_action().stopped == "the policy has not looked yet")
    assert fed.stats().statuses["moving"] == 0, "counted anew"
    feed(fed)
    wait_until(lambda: fed.latest_action().stopped is None)


def test_inputs_set_before_the_start_count(loop):
    feed(loop)
    with loop:
        wait_until(lambda: loop.latest_action().tick > 0)
        assert loop.latest_action().stopped is None


def test_many_short_lives_leave_nothing_behind(bundle):
    def count_threads():
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208

    before = count_threads()
    for _ in range(20):
        loop = ControlLoop(bundle, LoopOptions(rate_hz=1000))
        loop.start()
        del loop  # its destructor ends the thread
    gc.collect()
    assert count_threads() == before


def test_the_loop_ticks_while_python_is_stuck(fed):
    first, begin_s = fed.stats(), time.monotonic()
    ctypes.PyDLL(None).usleep(200_000)  # holds the GIL: no other Python thread could run
    last, end_s = fed.stats(), time.monotonic()
    assert (last.ticks + last.skipped) - (first.ticks + first.skipped) > 450 * (end_s - begin_s)
    assert last.ticks - first.ticks > 50


def test_a_signal_reaches_python_and_not_the_loop(fed):
    arrived = []
    before = signal.signal(signal.SIGUSR1, lambda *_: arrived.append(threading.current_thread()))
    try:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        time.sleep(0.2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert arrived == [threading.main_thread()]
    assert fed.running


@forks
def test_a_forked_child_neither_runs_nor_hurts_the_loop(fed):
    if (child := os.fork()) == 0:
        mine = fed.running
        fed._loop = None  # runs the destructor
        os._exit(1 if mine else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ticks = fed.stats().ticks
    wait_until(lambda: fed.stats().ticks > ticks)


@forks
def test_a_child_forked_while_the_loop_stops_is_not_held_up(bundle):
    loop = ControlLoop(bundle, LoopOptions(rate_hz=50, early_wake_s=0))
    for _ in range(5):
        loop.start()
        stopping = threading.Thread(target=loop.stop)  # takes up to a period of 20 ms
        stopping.start()
        time.sleep(0.003)
        if (child := os.fork()) == 0:
            signal.alarm(10)
            os._exit(1 if loop.running else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stopping.join()


# What is refused, and in which words.


def test_a_core_that_is_not_there_is_refused_at_the_start(bundle):
    loop = ControlLoop(bundle, LoopOptions(cpu=1000))
    with pytest.raises(ConfigError, match=r"cpu: expected one that this process may use \(.*1000"):
        loop.start()
    assert not loop.running
    assert loop.latest_action().stopped == "the control loop has not ticked yet, or has ended"


UNPRIVILEGED = """
import os, resource, sys
from pathlib import Path
from lapa_edge.artifact import load_bundle
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions

loop = ControlLoop(load_bundle(Path(sys.argv[1])), LoopOptions(priority=80))
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # what it has would be granted again
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
if os.getuid() == 0:
    os.setuid(65534)  # nobody: root would be granted anything
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(80))
    sys.exit("granted")
except PermissionError:
    pass
try:
    loop.start()
except ConfigError as error:
    print(error)
"""


def test_a_priority_that_is_not_granted_is_refused_at_the_start(bundle, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(bundle.root)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stderr.strip() == "granted":
        pytest.skip("this system grants SCHED_FIFO to everybody: a refusal NOT TESTED")
    assert done.stdout.startswith(EXPECTED_REFUSAL), done


def test_start_twice_and_stop_twice_are_refused(loop):
    with pytest.raises(ConfigError, match=r"stop: expected a running control loop.*call start"):
        loop.stop()
    loop.start()
    with pytest.raises(ConfigError, match=r"start: expected a control loop that is not running"):
        loop.start()
    with pytest.raises(ConfigError, match=r"step: expected a control loop that is not running"):
        loop.step(0.0)
    with pytest.raises(ConfigError, match=r"reset: expected a control loop that is not running"):
        loop.reset(0.0)
    loop.stop()
    with pytest.raises(ConfigError, match=r"stop: expected a running control loop"):
        loop.stop()


def test_an_input_that_is_not_finite_is_refused_before_the_start(loop):
    loop.set_observation(np.array([0, np.inf, 0], np.float32), 0.0)
    with pytest.raises(RuntimeInputError, match=r"state: expected finite values, got NaN or infin"):
        loop.start()
    loop.set_observation(STATE, np.nan)
    with pytest.raises(RuntimeInputError, match=r"state seen_at_s: expected a finite time"):
        loop.start()
    loop.set_observation(STATE, 0.0)
    loop.set_latent(Latent(*[np.full(n, np.nan, np.float32) for n in (2, 6, 4)], 0.0))
    with pytest.raises(RuntimeInputError, match=r"latent: expected finite values, .* at index 0"):
        loop.start()
