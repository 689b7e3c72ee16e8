"""The gate, whatever comes at it."""

import msgspec
import numpy as np
import pytest
from bundles import tiny_spec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lapa_edge.runtime.safety import SafetyGate

MAX_AGE_S = 0.5
SPEC = tiny_spec().action
GATE = SafetyGate(SPEC, MAX_AGE_S)
anything = st.floats(width=32, allow_nan=True, allow_infinity=True)
ages = st.floats() | st.floats(0, 2 * MAX_AGE_S)


@st.composite
def action_specs(draw):
    """An action spec with any limits that leave some room, and a stop between them."""
    lows = draw(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4))
    highs = [low + draw(st.floats(0.01, 1e6)) + abs(low) * 1e-3 for low in lows]
    shares = [draw(st.floats(0, 1)) for _ in lows]
    stops = [
        min(max(low + share * (high - low), low), high)
        for low, share, high in zip(lows, shares, highs, strict=True)
    ]
    words = ("x",) * len(lows)
    return msgspec.structs.replace(
        SPEC, names=words, units=words, low=tuple(lows), high=tuple(highs), stop=tuple(stops)
    )


@given(st.data(), action_specs(), ages)
def test_every_command_is_finite_bounded_and_fresh(data, spec, age_s):
    a = len(spec.names)
    command = SafetyGate(spec, MAX_AGE_S).pass_action(
        data.draw(arrays(np.float32, a, elements=anything)), age_s
    )
    sent = command.action.astype(np.float64)
    assert command.action.dtype == np.float32
    assert np.isfinite(sent).all()
    assert (sent >= spec.low).all()
    assert (sent <= spec.high).all()
    if command.stopped is None:
        assert 0 <= age_s <= MAX_AGE_S
    else:
        assert sent == pytest.approx(np.array(spec.stop), rel=1e-6, abs=1e-6)


@given(arrays(np.float32, 2, elements=st.floats(-1, 1, width=32)), st.floats(0, MAX_AGE_S))
def test_an_action_within_limits_passes_untouched(action, age_s):
    command = GATE.pass_action(action, age_s)
    assert command.stopped is None
    assert command.clamped == 0
    assert (command.action == action).all()


def test_what_is_out_of_bounds_is_clamped_and_counted():
    command = GATE.pass_action(np.array([-3.0, 0.5], np.float32), 0.1)
    assert command.action.tolist() == [-1.0, 0.5]
    assert (command.stopped, command.clamped) == (None, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_value_stops_every_dimension(bad):
    command = GATE.pass_action(np.array([0.5, bad], np.float32), 0.1)
    assert command.action.tolist() == list(SPEC.stop)
    assert command.stopped == "action is not finite"


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [
        (0.51, "latent is 0.510 s old, more than 0.500 s"),
        (-0.01, "latent age -0.010 s is not a time in the past"),
        (float("nan"), "latent age nan s is not a time in the past"),
    ],
)
def test_an_age_outside_the_limits_stops(age_s, reason):
    assert GATE.pass_action(np.zeros(2, np.float32), age_s).stopped == reason


def test_a_wrong_length_stops():
    assert GATE.pass_action(np.zeros(3, np.float32), 0.1).stopped.startswith("expected 2 action")


def test_a_command_belongs_to_its_receiver():
    GATE.stop("test").action[:] = 9.0
    assert not GATE.stop("test").action.any()
