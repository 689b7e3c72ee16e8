"""One control tick: what moves the robot and what stops it."""

import subprocess
import sys

import numpy as np
import pytest
from bundles import write_tiny_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lapa_edge.errors import RuntimeInputError
from lapa_edge.runtime.head import OnnxHead
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session

FRAME = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
STATE = np.array([0.1, 0.2, 0.3], np.float32)
anything = st.floats(width=32, allow_nan=True, allow_infinity=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("session") / "tiny")


@pytest.fixture
def session(bundle):
    """A session that looked at time 0; its latents live for half a second."""
    session = Session(bundle, "push the red block")
    session.accept(session.look(FRAME, 0.0))
    return session


def test_a_fresh_latent_and_state_move(session):
    command = session.act(STATE, 0.1)
    assert command.stopped is None
    assert command.latent_age_s == pytest.approx(0.1)
    assert command.action.any()


def test_the_same_inputs_give_the_same_commands(bundle):
    def run():
        session = Session(bundle, "push the red block")
        session.accept(session.look(FRAME, 0.0))
        return [session.act(STATE, tick * 0.02).action.tolist() for tick in range(10)]

    assert run() == run()


def test_both_heads_give_the_same_command(bundle):
    actions = []
    for backend in ("native", "onnx"):
        session = Session(bundle, "push the red block", backend)
        session.accept(session.look(FRAME, 0.0))
        actions.append(session.act(STATE, 0.1).action)
    # Two orders of adding some ten float32 products.
    np.testing.assert_allclose(*actions, rtol=1e-5, atol=1e-6)


def test_a_policy_without_codes_moves_too(tmp_path):
    session = Session(write_tiny_bundle(tmp_path / "tiny", n=0), "push left")
    session.accept(session.look(FRAME, 0.0))
    assert session.act(STATE, 0.1).stopped is None


def test_a_session_of_other_halves_acts_as_the_bundles_own(bundle, session):
    class Borrowed:
        """The same policy, known by `look` and `instruction` alone."""

        instruction = "push the red block"

        def look(self, frame, seen_at_s):
            return session.policy.look(frame, seen_at_s)

    other = Session.of(bundle.spec, Borrowed(), OnnxHead(bundle))
    assert other.policy.instruction == session.policy.instruction
    assert other.act(STATE, 0.0).stopped == "the policy has not looked yet"
    other.reset()
    other.accept(other.look(FRAME, 0.0))
    expected = Session(bundle, "push the red block", "onnx")
    expected.accept(expected.look(FRAME, 0.0))
    for now_s in (0.1, 0.12, 0.7):
        mine, theirs = other.act(STATE, now_s), expected.act(STATE, now_s)
        assert mine.action.tolist() == theirs.action.tolist()
        assert mine.stopped == theirs.stopped


def test_no_look_no_move(bundle):
    command = Session(bundle, "push left").act(STATE, 0.0)
    assert command.stopped == "the policy has not looked yet"
    assert np.isnan(command.latent_age_s)


def test_a_latent_grows_old(session):
    assert session.act(STATE, 0.5).stopped is None
    assert session.act(STATE, 0.501).stopped == "latent is 0.501 s old, more than 0.500 s"


def test_a_latent_from_the_future_stops(session):
    assert "not a time in the past" in session.act(STATE, -0.1).stopped


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_state_that_is_not_finite_stops(session, bad):
    assert session.act(np.array([0.1, bad, 0.3]), 0.1).stopped == "state is not finite"


def test_a_latent_that_is_not_finite_stops(session):
    latent = session.look(FRAME, 0.0)
    broken = Latent(latent.codes, latent.vector, latent.context * np.nan, 0.0)
    session.accept(broken)
    assert session.act(STATE, 0.1).stopped == "latent is not finite"


def test_an_overflowing_head_stops(session):
    latent = session.look(FRAME, 0.0)
    huge = np.where(np.arange(4) % 2, np.float32(3e38), np.float32(-3e38))
    session.accept(Latent(latent.codes, np.full(6, 3e38, np.float32), huge, 0.0))
    command = session.act(STATE, 0.1)
    assert command.stopped.startswith("action head: ")
    assert not command.action.any()


@pytest.mark.parametrize("state", [np.zeros(2), np.zeros(4), np.zeros((1, 3)), np.float32(0)])
def test_a_state_of_another_shape_is_a_wiring_mistake(session, state):
    with pytest.raises(RuntimeInputError, match=r"state: expected \[3\] \(joint_0, joint_1, jo"):
        session.act(state, 0.1)


def test_reset_forgets_the_episode(session):
    session.act(STATE, 0.1)
    session.reset()
    assert session.act(STATE, 0.1).stopped == "the policy has not looked yet"


def test_the_head_hears_that_the_robot_was_stopped(session):
    first = session.act(STATE, 0.0).action.tolist()
    assert session.act(STATE, 0.0).action.tolist() != first, "the last action matters"
    assert session.stop("somebody in the way").stopped == "somebody in the way"
    assert session.act(STATE, 0.0).action.tolist() == first


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    state=arrays(np.float32, 3, elements=anything),
    context=arrays(np.float32, 4, elements=anything),
    vector=arrays(np.float32, 6, elements=anything),
    age_s=st.floats() | st.floats(0, 1),
)
def test_no_input_makes_an_unsafe_command(session, state, context, vector, age_s):
    session.accept(Latent(np.zeros(2, np.int32), vector, context, 0.0))
    command = session.act(state, age_s)
    spec = session.spec
    assert np.isfinite(command.action).all()
    assert (np.abs(command.action) <= 1).all()
    if command.stopped is None:
        assert 0 <= age_s <= spec.timing.max_latent_age_s
        assert np.isfinite(state).all()
    else:
        assert command.action.tolist() == list(spec.action.stop)


RUNTIME_IMPORTS = """
import importlib, pkgutil, sys
import lapa_edge.runtime
for module in pkgutil.walk_packages(lapa_edge.runtime.__path__, "lapa_edge.runtime."):
    importlib.import_module(module.name)
heavy = {"torch", "onnx", "av", "pyarrow", "mujoco", "metaworld", "matplotlib"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""


def test_the_runtime_imports_nothing_of_the_trainer(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUNTIME_IMPORTS],
        cwd=tmp_path,  # not the checkout, which may lack the compiled module
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
