"""How a robot stands still: velocities, positions and grippers, alone and in a session."""

from types import SimpleNamespace

import numpy as np
import pytest
from control_loops import STATE, build_latent, mixed_spec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lapa_edge.runtime.safety import SafetyGate
from lapa_edge.runtime.session import Session
from lapa_edge.runtime.standstill import standing_still

SPEC = mixed_spec()
VELOCITY, JOINT_2, GRIPPER, JOINT_0 = range(4)
anything = st.floats(width=32, allow_nan=True, allow_infinity=True)
ordinary = st.floats(-3, 3, width=32)


@pytest.fixture
def gate():
    return SafetyGate(SPEC.action, 0.5)


def told(gate, *action):
    return gate.pass_action(np.array(action, np.float32), 0.1)


def test_before_anything_is_known_it_is_the_specs_stop(gate):
    assert gate.stop("test").action.tolist() == [0.0, -0.25, 0.75, 0.5]


def test_nothing_is_sendable_until_one_state_had_every_position(gate):
    assert not gate.stop("test").sendable
    gate.see(np.array([0.125, 0.0, np.nan], np.float32))
    assert not gate.stop("test").sendable
    gate.see(np.array([np.nan, 0.0, 0.5], np.float32))
    assert not gate.stop("test").sendable
    gate.see(np.array([0.125, 0.0, 0.5], np.float32))
    assert gate.stop("test").sendable
    gate.reset()
    assert not gate.stop("test").sendable


def test_an_arm_moved_by_hand_before_its_first_command_is_not_sent_back(gate):
    gate.see(np.array([0.125, 0.0, np.nan], np.float32))
    gate.stop("test")
    gate.see(np.array([0.5, 0.0, 0.25], np.float32))
    assert gate.stop("test").action[[JOINT_2, JOINT_0]].tolist() == [0.25, 0.5]


def test_a_position_stops_where_it_is_measured_within_its_limits(gate):
    gate.see(np.array([5.0, 0.0, 0.5], np.float32))
    assert gate.stop("test").action.tolist() == [0.0, 0.5, 0.75, 1.0]


def test_of_a_bad_measurement_the_good_values_count(gate):
    gate.see(np.array([0.125, 0.0, 0.5], np.float32))
    told(gate, 1, 1, 1, 1)
    gate.see(np.array([np.nan, np.inf, 0.25], np.float32))
    assert gate.stop("test").action.tolist() == [0.0, 0.25, 1.0, 0.125]


def test_a_robot_that_stands_still_does_not_sink_with_its_measurement(gate):
    for sinking in (0.5, 0.25, 0.0):
        gate.see(np.full(3, sinking, np.float32))
        assert gate.stop("test").action[[JOINT_2, JOINT_0]].tolist() == [0.5, 0.5]


def test_a_robot_that_moved_stops_where_it_is_now(gate):
    gate.see(np.full(3, 0.5, np.float32))
    gate.stop("test")
    told(gate, 0.1, 0.2, 0.3, 0.4)
    gate.see(np.full(3, 0.25, np.float32))
    assert gate.stop("test").action[[JOINT_2, JOINT_0]].tolist() == [0.25, 0.25]


def test_a_gripper_keeps_its_last_command_as_it_was_sent(gate):
    told(gate, 0, 0, -7, 0)
    assert gate.stop("test").action[GRIPPER] == -1
    assert gate.stop("test").action[GRIPPER] == -1


def test_what_the_receiver_does_to_its_command_changes_nothing(gate):
    command = told(gate, 0, 0, 0.5, 0)
    command.action[:] = 9
    assert gate.last_action[GRIPPER] == 0.5
    assert gate.stop("test").action[GRIPPER] == 0.5


def test_a_reset_forgets_what_was_measured_and_sent(gate):
    gate.see(STATE)
    told(gate, 1, 1, 1, 1)
    gate.reset()
    assert gate.last_action.tolist() == [0.0, -0.25, 0.75, 0.5]
    assert gate.stop("test").action.tolist() == [0.0, -0.25, 0.75, 0.5]


class Wild:
    """A head that answers whatever it was given last."""

    chunk = np.zeros(8, np.float32)

    def forward(self, x):
        return self.chunk


@st.composite
def ticks(draw):
    """A tick: a state, the head's answer, a latent's age or none, and whether its caller stops."""
    return SimpleNamespace(
        state=draw(arrays(np.float32, 3, elements=anything | ordinary)),
        chunk=draw(arrays(np.float32, 8, elements=anything | ordinary)),
        age_s=draw(st.none() | st.floats() | st.floats(0, 0.6)),
        stops=draw(st.sampled_from(("no", "no", "blind", "seeing"))),
    )


@given(st.lists(ticks(), min_size=1, max_size=8))
def test_no_sequence_makes_a_command_that_is_unsafe_or_stops_otherwise(sequence):
    session = Session.of(SPEC, SimpleNamespace(instruction="go", look=None), Wild())
    held, gripper, known, moving = {JOINT_2: -0.25, JOINT_0: 0.5}, 0.75, False, False
    for tick in sequence:
        if tick.age_s is not None:
            session.accept(build_latent(-tick.age_s))
        session.head.chunk = tick.chunk
        if tick.stops == "no":
            command = session.act(tick.state, 0.0)
        else:
            state = tick.state if tick.stops == "seeing" else None
            command = session.stop("test", state)
        if tick.stops != "blind":
            for action, measured in ((JOINT_2, tick.state[2]), (JOINT_0, tick.state[0])):
                if np.isfinite(measured) and (moving or not known):
                    held[action] = np.clip(measured, -1, 1)
            known |= np.isfinite(tick.state[[0, 2]]).all()
        assert np.isfinite(command.action).all()
        assert (np.abs(command.action) <= 1).all()
        moving = command.stopped is None
        if moving:
            assert 0 <= command.latent_age_s <= 0.5
            assert np.isfinite(tick.state).all()
            gripper = command.action[GRIPPER]
        else:
            expected = [0.0, held[JOINT_2], gripper, held[JOINT_0]]
            assert command.action.tolist() == np.array(expected, np.float32).tolist()


def test_standing_still_after_a_command_keeps_its_gripper():
    state, last = np.array([0.125, 0.0, 0.5], np.float32), np.ones(4, np.float32)
    first, later = standing_still(SPEC.action, state), standing_still(SPEC.action, state, last)
    assert first.tolist() == [0.0, 0.5, 0.75, 0.125]
    assert later.tolist() == [0.0, 0.5, 1.0, 0.125]
