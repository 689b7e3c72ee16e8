"""The native loop: the session's decisions, at its own rate, whatever Python does."""

import ctypes
import gc
import os
import resource
import signal
import threading
import time

import numpy as np
import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle
from heads import calibrate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load, save

from lapa_edge import _native
from lapa_edge.artifact import write_bundle
from lapa_edge.errors import BundleError, ConfigError, RuntimeInputError
from lapa_edge.runtime.control_loop import ControlLoop, LoopOptions, summarise
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session

STATE = np.array([0.1, 0.2, 0.3], np.float32)
EXPECTED_REFUSAL = (
    "control loop: priority: expected leave to run as SCHED_FIFO 80, "
    'got "Operation not permitted" at a limit of 0; raise it (ulimit -r'
)
# Python warns of forks beside threads since 3.12; these children run next to nothing.
forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
anything = st.floats(width=32, allow_nan=True, allow_infinity=True)
ordinary = st.floats(-3, 3, width=32)


def build_latent(seen_at_s, seed=0):
    rng = np.random.default_rng(seed)
    vector, context = (rng.normal(size=n).astype(np.float32) for n in (6, 4))
    return Latent(np.zeros(2, np.int32), vector, context, seen_at_s)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("loop") / "tiny")


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """The same robot, its head calibrated for int8."""
    files = tiny_files(tiny_spec())
    tensors = load(files["weights.safetensors"])
    weights = {
        name.removeprefix("action_head."): array
        for name, array in tensors.items()
        if name.startswith("action_head.")
    }
    x = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    for layer, largest in calibrate(weights, x).items():
        tensors[f"action_head.calibration.{layer}"] = largest
    files["weights.safetensors"] = save(tensors)
    return write_bundle(tmp_path_factory.mktemp("loop") / "tiny", tiny_spec(), files, {})


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


def feed(loop):
    loop.set_latent(build_latent(time.monotonic()))
    loop.set_observation(STATE, time.monotonic())


def wait_until(holds, timeout_s=5.0):
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.001)


# The same decisions as the session.


def check_same(loop, session, latent, state, now_s):
    """One tick of both, from the same inputs and the same last action."""
    if latent is not None:
        loop.set_latent(latent)
        session.accept(latent)
    loop.set_observation(state, now_s)
    got, expected = loop.step(now_s), session.act(state, now_s)
    assert got.action.tobytes() == expected.action.tobytes() or (
        # Where a value is zero, numpy's clip leaves its sign open.
        (got.action == expected.action).all() and not (expected.action.all())
    )
    assert got.clamped == expected.clamped
    np.testing.assert_equal(got.latent_age_s, expected.latent_age_s)
    if expected.stopped is None or not got.stopped.startswith(("action head", "state or last")):
        assert got.stopped == expected.stopped
    else:  # the loop says more exactly what overflowed
        assert expected.stopped.startswith(("action head", "latent is not finite"))


@pytest.fixture(scope="module", params=["f32", "bf16", "int8"])
def pair(request, calibrated):
    loop = ControlLoop(calibrated, LoopOptions(precision=request.param))
    return loop, Session(calibrated, "push left", head_precision=request.param)


def start_episode(pair):
    pair[0].reset(0.0)
    pair[1].reset()
    return pair


def test_a_long_episode_has_the_bits_of_the_session(pair):
    loop, session = start_episode(pair)
    rng = np.random.default_rng(0)
    for tick in range(3000):
        now_s = tick * 0.02
        latent = build_latent(now_s - rng.uniform(0, 0.2), tick) if tick % 20 == 0 else None
        state = rng.normal(size=3).astype(np.float32)
        if rng.random() < 0.05:
            state[rng.integers(3)] = rng.choice([np.nan, np.inf, 3e38])
        check_same(loop, session, latent, state, now_s)
    assert loop.stats().statuses["moving"] > 2000


@settings(max_examples=300)
@given(
    vector=arrays(np.float32, 6, elements=anything | ordinary),
    context=arrays(np.float32, 4, elements=anything | ordinary),
    states=st.lists(arrays(np.float32, 3, elements=anything | ordinary), min_size=1, max_size=4),
    seen_at_s=st.floats() | st.floats(0, 1),
    now_s=st.floats(0, 1),
)
def test_no_input_makes_another_command_than_the_session(
    pair, vector, context, states, seen_at_s, now_s
):
    loop, session = start_episode(pair)
    latent = Latent(np.zeros(2, np.int32), vector, context, seen_at_s)
    for i, state in enumerate(states):
        check_same(loop, session, latent if i == 0 else None, state, now_s + 0.02 * i)


def test_without_a_latent_both_stop(pair):
    loop, session = start_episode(pair)
    check_same(loop, session, None, STATE, 0.0)


def test_a_policy_without_codes_moves_too(tmp_path):
    loop = ControlLoop(write_tiny_bundle(tmp_path / "tiny", n=0))
    nothing = np.zeros(0, np.float32)
    loop.set_latent(Latent(nothing.astype(np.int32), nothing, np.ones(4, np.float32), 0.0))
    loop.set_observation(STATE, 0.0)
    assert loop.step(0.0).stopped is None


def test_limits_that_float32_cannot_hold_are_kept(tmp_path):
    narrow = {"low": (-0.1,) * 2, "high": (0.1,) * 2, "stop": (0.1,) * 2}
    spec = tiny_spec()
    spec = type(spec)(
        **{**_fields(spec), "action": type(spec.action)(**{**_fields(spec.action), **narrow})}
    )
    bundle = write_bundle(tmp_path / "tiny", spec, tiny_files(spec), {})
    check_same(ControlLoop(bundle), Session(bundle, "push left"), build_latent(0.0), STATE, 0.0)
    loop = ControlLoop(bundle)
    assert (loop.latest_action().action.astype(np.float64) <= 0.1).all()


def _fields(struct):
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


# States may be missing or old: the session leaves that to its caller, the loop does not.


def test_no_state_no_move(loop):
    loop.set_latent(build_latent(0.0))
    assert loop.step(0.0).stopped == "the robot has not told its state yet"


def test_a_state_grows_old(loop):
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    assert loop.step(0.1).stopped is None
    assert loop.step(0.101).stopped == "state is 0.101 s old, more than 0.100 s"


@pytest.mark.parametrize("seen_at_s", [1.0, np.nan])
def test_a_state_without_a_time_in_the_past_stops(loop, seen_at_s):
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, seen_at_s)
    assert "not a time in the past" in loop.step(0.1).stopped


def test_a_reset_forgets_the_episode(loop):
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    first = loop.step(0.0).action
    assert loop.step(0.0).action.tolist() != first.tolist(), "the last action matters"
    loop.reset(0.0)
    assert loop.latest_action().stopped == "the control loop is not running"
    assert loop.step(0.0).stopped == "the policy has not looked yet"
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    loop.reset(0.0)
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    assert loop.step(0.0).action.tolist() == first.tolist()


# The thread.


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
    assert command.stopped == "the control loop is not running"
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


# What is refused, and in which words.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_hz": 49.9}, r"rate_hz: expected 50.0 to 1000.0, got 49.9"),
        ({"rate_hz": 1001}, r"rate_hz: expected 50.0 to 1000.0, got 1001.0"),
        ({"rate_hz": 0}, r"rate_hz: expected 50.0 to 1000.0, got 0.0"),
        ({"rate_hz": np.nan}, r"rate_hz: expected 50.0 to 1000.0, got nan"),
        ({"early_wake_s": -1e-6}, r"early_wake_s: expected 0.0 to 0.01, got -1e-06"),
        ({"rate_hz": 1000, "early_wake_s": 6e-4}, r"early_wake_s: expected 0.0 to 0.0005, got"),
        ({"priority": 100}, r"priority: expected 0.0 to 99.0, got 100"),
        ({"max_state_age_s": 0}, r"max_state_age_s: expected a finite time above 0 s, got 0.0"),
        (
            {"max_state_age_s": np.inf},
            r"max_state_age_s: expected a finite time above 0 s, got inf",
        ),
    ],
)
def test_options_out_of_range_are_refused(bundle, options, message):
    with pytest.raises(ConfigError, match=message):
        ControlLoop(bundle, LoopOptions(**options))


def test_a_core_that_is_not_there_is_refused_at_the_start(bundle):
    loop = ControlLoop(bundle, LoopOptions(cpu=1000))
    with pytest.raises(ConfigError, match=r"cpu: expected one that this process may use \(.*1000"):
        loop.start()
    assert not loop.running
    assert loop.latest_action().stopped == "the control loop is not running"


@forks
def test_a_priority_that_is_not_granted_is_refused_at_the_start(bundle):
    loop = ControlLoop(bundle, LoopOptions(priority=80))
    if (child := os.fork()) == 0:
        message = ""
        try:
            if os.getuid() == 0:
                os.setuid(65534)  # nobody: root would be granted anything
            resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
            loop.start()
        except BaseException as error:
            message = str(error)
        os._exit(0 if message.startswith(EXPECTED_REFUSAL) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


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


@pytest.mark.parametrize(
    ("state", "got"),
    [
        (np.zeros(4, np.float32), r"float32 \[4\]"),
        (np.zeros((1, 3), np.float32), r"float32 \[1, 3\]"),
        (np.zeros(3), r"float64 \[3\]"),
        (np.zeros(6, np.float32)[::2], r"one with strides"),
        ([0.0, 0.0, 0.0], r"list"),
    ],
)
def test_a_state_of_another_form_is_a_wiring_mistake(loop, state, got):
    expected = r"state: expected a contiguous float32 array \[3\] \(joint_0, joint_1, joint_2\)"
    with pytest.raises(RuntimeInputError, match=f"{expected}, got {got}"):
        loop.set_observation(state, 0.0)


def test_a_latent_of_another_form_is_a_wiring_mistake(loop):
    latent = build_latent(0.0)
    with pytest.raises(RuntimeInputError, match=r"latent vector: .*\[6\], got float32 \[5\]"):
        loop.set_latent(Latent(latent.codes, latent.vector[:5], latent.context, 0.0))
    with pytest.raises(RuntimeInputError, match=r"latent context: .*\[4\], got float64 \[4\]"):
        loop.set_latent(Latent(latent.codes, latent.vector, latent.context.astype(float), 0.0))


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


def test_int8_without_a_calibration_is_refused(bundle):
    with pytest.raises(BundleError, match=r"calibration: .*int8"):
        ControlLoop(bundle, LoopOptions(precision="int8"))


def test_weights_of_another_head_are_refused(tmp_path):
    files = tiny_files(tiny_spec(s=2))
    bundle = write_bundle(tmp_path / "tiny", tiny_spec(), files, {})
    with pytest.raises(BundleError, match=r"action head: expected 16 inputs .* got 15"):
        ControlLoop(bundle)


# The native class, which may be built from anything.


def native_arguments(**changes):
    rng = np.random.default_rng(0)
    weights = {"input.weight": (4, 9), "input.bias": (4,), "output.weight": (4, 4)}
    weights = {name: rng.normal(size=shape) for name, shape in weights.items()}
    weights["output.bias"] = np.zeros(4)
    two = {"action_mean": [0, 0], "action_std": [1, 1], "action_stop": [0, 0]}
    return {
        "weights": {name: array.astype(np.float32) for name, array in weights.items()},
        "latent": 3, "state_mean": [0, 0, 0], "state_std": [1, 1, 1], **two,
        "action_low": [-1, -1], "action_high": [1, 1], "max_latent_age_s": 1.0,
        "max_state_age_s": 1.0, "rate_hz": 100, "early_wake_s": 0.0, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"latent": 4},
            r"weights: expected an action head of 10 inputs .*, got one of 9; pass the",
        ),
        ({"state_std": [1, 0, 1]}, r"state_std: expected values above 0, got 0.0"),
        ({"state_std": [1, 1]}, r"state_std: expected 3 values, got 2"),
        ({"action_mean": [0, np.nan]}, r"action_mean: expected finite values, got nan"),
        ({"action_low": [0.5, -1]}, r"action_stop: expected 0.5 to 1.0, got 0.0"),
        ({"action_high": [1]}, r"action_high: expected 2 values, got 1"),
        ({"max_latent_age_s": np.nan}, r"max_latent_age_s: expected a finite time above 0 s"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(changes, message):
    _native.ControlLoop(**native_arguments())
    with pytest.raises(ValueError, match=message):
        _native.ControlLoop(**native_arguments(**changes))


def test_the_native_mailboxes_check_for_themselves():
    loop = _native.ControlLoop(**native_arguments())
    with pytest.raises(ValueError, match=r"latent: expected float32 \[3\], got float32 \[2\]"):
        loop.set_latent(np.zeros(2, np.float32), 0.0)
    with pytest.raises(ValueError, match=r"state: expected float32 \[3\], got float64 \[3\]"):
        loop.set_observation(np.zeros(3), 0.0)
    with pytest.raises(ValueError, match=r"state: expected a contiguous array, got one with str"):
        loop.set_observation(np.zeros(6, np.float32)[::2], 0.0)


# Percentiles.


def test_percentiles_are_at_most_three_percent_above_what_occurred():
    ends = _native.histogram_ends()
    values = np.sort(np.random.default_rng(0).lognormal(10, 2, 4999).astype(np.int64))
    counts = np.bincount(np.searchsorted(ends, values, side="right"), minlength=len(ends))
    found = summarise(counts, int(values[-1]))
    for percent, got_s in ((50, found.p50_s), (99, found.p99_s), (99.9, found.p999_s)):
        exact = np.percentile(values, percent, method="inverted_cdf")
        assert exact <= got_s * 1e9 <= exact * 1.032
    assert found.max_s == values[-1] / 1e9


def test_a_histogram_of_nothing_has_no_percentiles(loop):
    assert np.isnan(loop.stats().execution.p50_s)
