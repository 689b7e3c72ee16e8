"""The native loop decides what the session decides, bit for bit."""

from itertools import combinations, product

import numpy as np
import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle
from control_loops import STATE, build_latent, mixed_spec, write_mixed_bundle
from heads import calibrate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load, save

from lapa_edge.artifact import write_bundle
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session
from lapa_edge.spec import HEAD_PARTS

anything = st.floats(width=32, allow_nan=True, allow_infinity=True)
ordinary = st.floats(-3, 3, width=32)
BLENDS_S = (0.0, 0.13)  # at once, and in six and a half ticks


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """The same robot, its head calibrated for int8; by how long a latent takes over."""
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
    folder = tmp_path_factory.mktemp("loop")
    return {
        blend_s: write_bundle(folder / str(blend_s), tiny_spec(blend_s=blend_s), files, {})
        for blend_s in BLENDS_S
    }


@pytest.fixture
def loop(tmp_path):
    return ControlLoop(write_tiny_bundle(tmp_path / "tiny"))


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
    assert (got.clamped, got.sendable) == (expected.clamped, expected.sendable)
    np.testing.assert_equal(got.latent_age_s, expected.latent_age_s)
    if expected.stopped is None or not got.stopped.startswith(("action head", "state or last")):
        assert got.stopped == expected.stopped
    else:  # the loop says more exactly what overflowed
        assert expected.stopped.startswith(("action head", "latent is not finite"))


@pytest.fixture(scope="module", params=product(["f32", "bf16", "int8"], BLENDS_S), ids=str)
def pair(request, calibrated):
    precision, blend_s = request.param
    loop = ControlLoop(calibrated[blend_s], LoopOptions(precision=precision))
    return loop, Session(calibrated[blend_s], "push left", head_precision=precision)


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


def test_whenever_latents_come_the_head_is_led_to_them_as_in_the_session(pair):
    """Latents before the last one was reached, the same look again, stops and resets on the way."""
    loop, session = start_episode(pair)
    rng = np.random.default_rng(1)
    now_s, told = 0.0, None
    for tick in range(4000):
        now_s += 0.02
        latent = None
        if rng.random() < (0.3 if tick % 400 < 200 else 0.05):
            again = told is not None and rng.random() < 0.2
            told = latent = told if again else build_latent(now_s - rng.uniform(0, 0.55), tick)
        state = rng.normal(size=3).astype(np.float32)
        if rng.random() < 0.02:
            state[rng.integers(3)] = rng.choice([np.nan, np.inf])
        if rng.random() < 0.005:
            start_episode(pair)
            told = None
        check_same(loop, session, latent, state, now_s)


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


OPTIONAL = HEAD_PARTS[3:]
SUBSETS = [HEAD_PARTS[:3] + kept for n in range(4) for kept in combinations(OPTIONAL, n)]


@pytest.fixture(scope="module", params=SUBSETS, ids=lambda parts: "+".join(parts[3:]) or "no more")
def mixed(request, tmp_path_factory):
    """A robot of velocities, positions and a gripper, its head told any subset of the parts."""
    bundle = write_mixed_bundle(tmp_path_factory.mktemp("mixed") / "mixed", request.param, 0.07)
    return ControlLoop(bundle), Session(bundle, "push left")


def test_whatever_the_head_is_told_the_bits_are_the_sessions(mixed):
    loop, session = start_episode(mixed)
    rng = np.random.default_rng(0)
    for tick in range(600):
        now_s = tick * 0.02
        latent = None
        if tick % 10 == 0 and tick % 80 < 50:  # then it grows too old
            latent = build_latent(now_s - rng.uniform(0, 0.2), tick)
        elif tick % 10 == 3 and session._latent is not None:
            latent = session._latent  # the same look again
        state = rng.normal(size=3).astype(np.float32)
        if rng.random() < 0.1:
            state[rng.integers(3)] = rng.choice([np.nan, -np.inf, 3e38])
        check_same(loop, session, latent, state, now_s)
    statuses = loop.stats().statuses
    assert min(statuses[s] for s in ("moving", "latent_too_old", "state_not_finite")) > 20


@settings(max_examples=60)
@given(
    vector=arrays(np.float32, 6, elements=anything | ordinary),
    context=arrays(np.float32, 4, elements=anything | ordinary),
    states=st.lists(arrays(np.float32, 3, elements=anything | ordinary), min_size=1, max_size=6),
    ages_s=st.lists(st.none() | st.floats(0, 0.6), min_size=6, max_size=6),
)
def test_no_sequence_stands_still_otherwise_than_the_session(
    mixed, vector, context, states, ages_s
):
    loop, session = start_episode(mixed)
    for i, (state, age_s) in enumerate(zip(states, ages_s, strict=False)):
        now_s = 1 + 0.02 * i
        latent = None
        if age_s is not None:
            latent = Latent(np.zeros(2, np.int32), vector, context, now_s - age_s)
        check_same(loop, session, latent, state, now_s)
        action = loop.latest_action().action
        assert np.isfinite(action).all()
        assert (np.abs(action) <= 1).all()


def test_the_chunk_index_counts_ticks_since_the_latent_took_over(tmp_path):
    """A head that answers the chunk index, as the loop and the session tell it."""
    spec = mixed_spec()
    files = tiny_files(spec)
    tensors = load(files["weights.safetensors"])
    for name, array in tensors.items():
        if name.startswith("action_head."):
            array[:] = 0
    tensors["action_head.input.weight"][0, spec.head_slices()["chunk_index"]] = 1
    tensors["action_head.output.weight"][0, 0] = 1
    files["weights.safetensors"] = save(tensors)
    bundle = write_bundle(tmp_path / "counting", spec, files, {})
    loop, session = ControlLoop(bundle), Session(bundle, "push left")

    def index(command):
        return (command.action[0] - 0.05) / 0.4 * (0.5 * 50)  # of 25 ticks in half a second

    def tick(latent, state=STATE):
        loop.set_observation(state, now_s)
        if latent:
            loop.set_latent(latent)
            session.accept(latent)
        mine, theirs = loop.step(now_s), session.act(state, now_s)
        assert mine.action.tobytes() == theirs.action.tobytes()
        return index(mine) if mine.stopped is None else None

    now_s = 0.0
    first, second = build_latent(0.0), build_latent(0.01)
    assert [tick(first), tick(None), tick(None)] == pytest.approx([0, 1, 2], abs=1e-4)
    assert tick(None, STATE * np.float32(np.nan)) is None
    assert tick(None) == pytest.approx(4, abs=1e-4), "a tick that stopped counts"
    assert tick(first) == pytest.approx(5, abs=1e-4), "the same look again goes on"
    now_s = 0.02
    assert [tick(second), tick(None)] == pytest.approx([0, 1], abs=1e-4)


def test_at_another_rate_the_chunk_index_is_the_same_share_of_a_latents_life(tmp_path):
    bundle = write_mixed_bundle(tmp_path / "mixed")
    loop = ControlLoop(bundle, LoopOptions(rate_hz=200))
    session = Session(bundle, "push left", rate_hz=200)
    for tick in range(50):
        check_same(loop, session, None if tick else build_latent(0.0), STATE, tick * 0.005)
    assert loop.stats().statuses["moving"] == 50


def test_an_episode_ends_where_the_robot_is(tmp_path):
    loop = ControlLoop(write_mixed_bundle(tmp_path / "mixed"))
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    moving = loop.step(0.0)
    loop.reset(0.0)
    held = [0, STATE[2], moving.action[2], STATE[0]]
    assert loop.latest_action().action.tolist() == held
    loop.set_observation(np.full(3, np.nan, np.float32), 0.0)
    assert loop.step(0.0).action.tolist() == [0.0, -0.25, 0.75, 0.5], "a new episode knows nothing"


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
    assert loop.latest_action().stopped == "the control loop has not ticked yet, or has ended"
    assert loop.step(0.0).stopped == "the policy has not looked yet"
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    loop.reset(0.0)
    loop.set_latent(build_latent(0.0))
    loop.set_observation(STATE, 0.0)
    assert loop.step(0.0).action.tolist() == first.tolist()
