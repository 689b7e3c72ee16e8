"""Stops that stay: by hand, and against a model over random sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.runtime.motion_gate.latches import Latches


@pytest.fixture
def latches():
    return Latches(enabled=True)


def held(latches):
    return latches.state.estop_latched or latches.state.stopped


def test_it_starts_disabled_unless_told():
    assert not Latches().state.enabled
    assert Latches(enabled=True).state.enabled


def test_a_released_estop_stays_latched_until_the_reset(latches):
    latches.set_estop(True)
    latches.set_estop(False)
    assert held(latches)
    assert latches.reset() is None
    assert not held(latches)


def test_a_reset_is_refused_while_the_estop_is_pressed(latches):
    latches.stop()
    latches.set_estop(True)
    assert "still pressed" in latches.reset()
    assert latches.state.stopped
    assert latches.state.estop_latched


def test_an_estop_that_says_it_is_not_pressed_stops_nothing(latches):
    latches.set_estop(False)
    assert not held(latches)


def test_a_stop_stays_until_the_reset(latches):
    latches.stop()
    assert held(latches)
    latches.reset()
    assert not held(latches)


def test_motion_cannot_be_enabled_between_a_stop_and_its_reset(latches):
    latches.enable(False)
    latches.stop()
    assert "reset" in latches.enable(True)
    latches.reset()
    assert not latches.state.enabled
    assert latches.enable(True) is None
    assert latches.state.enabled


def test_motion_cannot_be_enabled_under_a_latched_estop(latches):
    latches.enable(False)
    latches.set_estop(True)
    latches.set_estop(False)
    assert "reset" in latches.enable(True)


def test_motion_can_always_be_forbidden(latches):
    latches.set_estop(True)
    assert latches.enable(False) is None
    assert not latches.state.enabled


def test_a_reset_gives_back_what_was_allowed(latches):
    latches.stop()
    latches.reset()
    assert latches.state.enabled


def test_whoever_forbids_motion_that_was_allowed_is_told_at_once(latches):
    forbidden = []
    latches.on_forbidden = lambda: forbidden.append(latches.state)
    for forbid, allow in (
        (lambda: latches.set_estop(True), lambda: (latches.set_estop(False), latches.reset())),
        (latches.stop, latches.reset),
        (lambda: latches.enable(False), lambda: latches.enable(True)),
    ):
        forbid()
        forbid()  # again: it is forbidden already
        assert not forbidden.pop().allows_motion
        assert not forbidden
        allow()
        assert latches.state.allows_motion


EVENTS = st.sampled_from(["press", "release", "stop", "reset", "enable", "disable"])


@given(st.lists(EVENTS, max_size=30))
def test_nothing_but_a_reset_after_the_release_lets_go_of_an_estop(events):
    latches = Latches()
    pressed = latched = False
    for event in events:
        {
            "press": lambda: latches.set_estop(True),
            "release": lambda: latches.set_estop(False),
            "stop": latches.stop,
            "reset": latches.reset,
            "enable": lambda: latches.enable(True),
            "disable": lambda: latches.enable(False),
        }[event]()
        pressed = event == "press" or (pressed and event != "release")
        latched = (latched or pressed) and (event != "reset" or pressed)
        assert (latches.state.estop, latches.state.estop_latched) == (pressed, latched)
