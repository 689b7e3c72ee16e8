"""What the native loop refuses before it runs, and in which words."""

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle
from control_loops import STATE, build_latent
from safetensors.numpy import load, save

from lapa_edge import _native
from lapa_edge.artifact import write_bundle
from lapa_edge.errors import BundleError, ConfigError, RuntimeInputError
from lapa_edge.runtime import head
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.policy import Latent


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("loop") / "tiny")


@pytest.fixture
def loop(bundle):
    return ControlLoop(bundle)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_hz": 49.9}, r"rate_hz: expected 50 to 1000 Hz, got 49.9"),
        ({"rate_hz": 1001}, r"rate_hz: expected 50 to 1000 Hz, got 1001"),
        ({"rate_hz": 0}, r"rate_hz: expected 50 to 1000 Hz, got 0"),
        ({"rate_hz": np.nan}, r"rate_hz: expected 50 to 1000 Hz, got nan"),
        ({"early_wake_s": -1e-6}, r"early_wake_s: expected 0 to 0.01 s, got -1e-06"),
        ({"rate_hz": 1000, "early_wake_s": 6e-4}, r"early_wake_s: expected 0 to 0.0005 s, got"),
        ({"priority": 100}, r"priority: expected a whole number from 0 to 99, got 100"),
        ({"max_state_age_s": 0}, r"max_state_age_s: expected a finite time above 0 s, got 0"),
        ({"rate_hz": "fast"}, r"rate_hz: expected 50 to 1000 Hz, got 'fast'"),
        ({"rate_hz": True}, r"rate_hz: expected 50 to 1000 Hz, got True"),
        ({"early_wake_s": "x"}, r"early_wake_s: expected 0 to 0.01 s, got 'x'"),
        ({"early_wake_s": np.nan}, r"early_wake_s: expected 0 to 0.01 s, got nan"),
        ({"priority": 1.5}, r"priority: expected a whole number from 0 to 99, got 1.5"),
        ({"priority": 2**40}, r"priority: expected a whole number from 0 to 99, got 1099511627776"),
        ({"cpu": "x"}, r"cpu: expected a whole number from 0 to 1023, got 'x'"),
        ({"cpu": 2**40}, r"cpu: expected a whole number from 0 to 1023, got 1099511627776"),
        ({"cpu": -1}, r"cpu: expected a whole number from 0 to 1023, got -1"),
        ({"lock_memory": "yes"}, r"lock_memory: expected True or False, got 'yes'"),
        ({"precision": "f16"}, r"precision: expected \"f32\" or .*\"int8\", got 'f16'"),
        ({"max_state_age_s": None}, r"max_state_age_s: expected a finite time above 0 s, got None"),
        ({"max_command_age_s": -1}, r"max_command_age_s: expected a finite time above 0 s, got -1"),
        ({"max_command_age_s": np.nan}, r"max_command_age_s: expected a finite time .* got nan"),
        ({"max_command_age_s": np.inf}, r"max_command_age_s: expected a finite time .* got inf"),
        ({"max_command_age_s": "x"}, r"max_command_age_s: expected a finite time .* got 'x'"),
        ({"max_command_age_s": 10**400}, r"max_command_age_s: expected a finite time .* got 10"),
        (
            {"max_state_age_s": np.inf},
            r"max_state_age_s: expected a finite time above 0 s, got inf",
        ),
    ],
)
def test_options_out_of_range_are_refused(bundle, options, message):
    with pytest.raises(ConfigError, match=message):
        ControlLoop(bundle, LoopOptions(**options))


def test_numbers_of_numpy_are_options_too(bundle):
    options = LoopOptions(
        rate_hz=np.float32(100), priority=np.int64(0), cpu=np.int32(0), max_state_age_s=np.int8(1)
    )
    assert ControlLoop(bundle, options).rate_hz == 100


def test_a_bundles_rate_that_no_loop_keeps_asks_for_another(tmp_path):
    spec = msgspec.structs.replace(
        tiny_spec(), action=msgspec.structs.replace(tiny_spec().action, control_hz=10.0)
    )
    slow = write_bundle(tmp_path / "slow", spec, tiny_files(spec), {})
    with pytest.raises(ConfigError, match=r"got 10.0, the bundle's action.control_hz; pass a rate"):
        ControlLoop(slow)
    assert ControlLoop(slow, LoopOptions(rate_hz=50)).rate_hz == 50


@pytest.mark.parametrize(
    ("state", "got"),
    [
        (np.zeros(4, np.float32), r"float32 \[4\]"),
        (np.zeros((1, 3), np.float32), r"float32 \[1, 3\]"),
        (np.zeros(3), r"float64 \[3\]"),
        (np.zeros(6, np.float32)[::2], r"one with strides"),
        (np.zeros(13, np.uint8)[1:].view(np.float32), r"one that is not aligned"),
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


def test_what_is_no_latent_is_refused(loop):
    with pytest.raises(RuntimeInputError, match="latent: expected a Latent, got NoneType"):
        loop.set_latent(None)


@pytest.mark.parametrize("time_s", ["x", None, True, 10**400])
def test_what_is_no_time_is_refused(loop, time_s):
    with pytest.raises(RuntimeInputError, match="latent seen_at_s: expected seconds, got"):
        loop.set_latent(build_latent(time_s))
    with pytest.raises(RuntimeInputError, match="state seen_at_s: expected seconds, got"):
        loop.set_observation(STATE, time_s)
    for call in (loop.step, loop.reset):
        with pytest.raises(RuntimeInputError, match="now_s: expected seconds, got"):
            call(time_s)


def test_a_time_of_numpy_is_one(loop):
    loop.set_latent(build_latent(np.float32(0)))
    loop.set_observation(STATE, np.int64(0))
    assert loop.step(np.float64(0)).stopped is None
    loop.set_observation(STATE, np.float32(np.nan))
    assert "not a time in the past" in loop.step(0).stopped


def test_int8_without_a_calibration_is_refused(bundle):
    with pytest.raises(BundleError, match=r"calibration: .*int8"):
        ControlLoop(bundle, LoopOptions(precision="int8"))


def test_weights_of_another_head_are_refused(tmp_path):
    files = tiny_files(tiny_spec(s=2))
    bundle = write_bundle(tmp_path / "tiny", tiny_spec(), files, {})
    with pytest.raises(BundleError, match=r"action head: expected 16 inputs .* got 15"):
        ControlLoop(bundle)


def test_the_loop_packs_its_head_once_and_reads_it_once(bundle, monkeypatch):
    built, read = [], []
    read_weights = head.read_weights
    monkeypatch.setattr(head, "read_weights", lambda x: read.append(x) or read_weights(x))
    monkeypatch.setattr(head._native, "ActionHead", lambda *_, **__: built.append(1))
    ControlLoop(bundle)
    assert (len(read), len(built)) == (1, 0)


def test_a_head_with_a_missing_array_is_named_by_the_loop(tmp_path):
    files = tiny_files(tiny_spec())
    weights = load(files["weights.safetensors"])
    del weights["action_head.input.weight"]
    files["weights.safetensors"] = save(weights)
    bundle = write_bundle(tmp_path / "tiny", tiny_spec(), files, {})
    with pytest.raises(BundleError, match=r"bundle .*input\.weight"):
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
        ({"action_low": [2, -1]}, r"action_low: expected at most action_high, 1.0, got 2.0"),
        (
            {"holds": [(0, 0), (0, 1)]},
            r"holds, action: expected one way to stop each action, got a second one of action 0",
        ),
        (
            {"holds": [(1, 0)], "grippers": [1]},
            r"grippers: expected one way to stop each action, got a second one of action 1",
        ),
        ({"action_high": [1]}, r"action_high: expected 2 values, got 1"),
        ({"holds": [(2, 0)]}, r"holds, action: expected an index below 2, got 2"),
        ({"holds": [(0, 3)]}, r"holds, state: expected an index below 3, got 3"),
        ({"grippers": [0, 2]}, r"grippers: expected an index below 2, got 2"),
        (
            {"last_action": False, "chunk_index": True},
            r"weights: .* of 8 inputs \(latent and context 3, state 3, age 1, chunk index 1\), got",
        ),
        ({"blend_s": -0.1}, r"blend_s: expected 0.0 to 1.0, got -0.1"),
        ({"blend_s": 1.1}, r"blend_s: expected 0.0 to 1.0, got 1.1"),
        ({"blend_s": np.nan}, r"blend_s: expected 0.0 to 1.0, got nan"),
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
