"""Random sequences: whatever comes in, what goes out is finite, bounded, fresh and slow.

A script of a thousand ticks is one long sequence, or 125 of eight between which the gate forgets
the episode and the latches stay. A million of those take six to eight minutes:

    GATE_SCRIPTS=8000 pytest tests/runtime/motion_gate/test_sequences.py -k short
"""

import os
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from motion_gate_scripts import AGES, TICKS, Script, expected_reasons, write_script
from motion_gates import PERIOD_S, arm_robot, build_gate, hand_robot

from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.reasons import Clamp, StopReason
from lapa_edge.runtime.safety import Command

SCRIPTS = int(os.environ.get("GATE_SCRIPTS", "500"))
SPEED, TURN, ACCELERATION, STEP, BOX, REACH = 0.25, 0.5, 2.0, 0.02, 0.1, 2.0
HAND, ARM = hand_robot(), arm_robot()
LATE = {StopReason.NO_IMAGE, StopReason.IMAGE_AGE, StopReason.STAMP_AGE}
LATE |= {StopReason.LATENT_AGE, StopReason.CHUNK_EXHAUSTED}
RANGES = {Clamp.WORKSPACE, Clamp.JOINT_POSITION, Clamp.ACTION_RANGE}


@dataclass
class Told:
    """What came out, a row per tick; of the ticks whose commands reached the robot by `kept`."""

    action: np.ndarray
    reason: np.ndarray  # of objects
    clamps: np.ndarray  # of objects
    state: np.ndarray  # as it was measured
    sendable: np.ndarray
    begins: np.ndarray  # bool: whether it is the first of a sequence
    ros_now_s: float

    @property
    def moves(self):
        return np.array([reason is None for reason in self.reason])

    @property
    def unsent(self):
        """Whether the robot was sent nothing before, by tick; bool."""
        return ~np.roll(self.sendable, 1) | self.begins

    def kept(self, kept):
        rows = {f.name: getattr(self, f.name)[kept] for f in fields(self)[:-1]}
        sequence = np.cumsum(self.begins)[kept]
        rows["begins"] = np.append(True, np.diff(sequence) > 0)[: len(sequence)]
        return Told(**rows, ros_now_s=self.ros_now_s)


def play(gate, script, a, s, length):
    """Drive the gate; the robot goes where it is told, but for its drift."""
    begins = np.arange(TICKS) % length == 0
    columns = (getattr(script, f.name) for f in fields(Script))
    rows = zip(*(x.tolist() if getattr(x, "ndim", 2) == 1 else x for x in columns), strict=True)
    place, ros_now_s = np.zeros(s, np.float32), 1.7e9
    told, reasons, clamps, states, sendable = [], [], [], [], []
    for first, (
        now_s, action, _, _, stopped, image, image_age_s, stamped, stamp_age_s, latent_age_s,
        known, state_age_s, drift, start, chunked, chunk_age_s, press, stop, reset, enable, undone,
    ) in zip(begins, rows, strict=True):  # fmt: skip
        if first:
            gate.reset()
            if a == 3:
                place = start - np.nan_to_num(drift)
        if press:
            gate.latches.set_estop(press > 0)
        if stop:
            gate.latches.stop()
        if reset:
            gate.latches.reset()
        if enable:
            gate.latches.enable(enable > 0)
        measured = place + drift
        facts = Facts(
            now_s=now_s,
            ros_now_s=ros_now_s,
            image_received_s=now_s - image_age_s if image else None,
            image_stamp_s=ros_now_s - stamp_age_s if stamped else None,
            latent_age_s=latent_age_s,
            state=measured if known else None,
            state_age_s=state_age_s,
            chunk_age_s=chunk_age_s if chunked else None,
        )
        gated = gate.decide(Command(action, "policy" if stopped else None, 0, 0.1), facts)
        if undone:
            gate.take_back()
        elif a == 7:
            place = place + gated.action[:3] * np.float32(PERIOD_S)
        elif gated.sendable:
            place = gated.action[1::-1]  # the states are in another order
        told.append(gated.action)
        reasons.append(gated.reason)
        clamps.append(gated.clamps)
        states.append(measured)
        sendable.append(gated.sendable)
    objects = (np.array(reasons, object), np.array(clamps, object))
    return Told(np.array(told), *objects, np.array(states), np.array(sendable), begins, ros_now_s)


def expected_places(script, told, a):
    """Which ticks find the robot far out of range, and which may tell it something; bool [t] each.

    A robot of velocities has no place to keep to.
    """
    if a == 7:
        return np.zeros(TICKS, bool), np.ones(TICKS, bool)
    beyond = np.nan_to_num(np.abs(told.state) - REACH, nan=-1).max(1)
    whole = np.isfinite(told.state).all(1)
    far, sendable, placed = np.zeros(TICKS, bool), np.zeros(TICKS, bool), False
    for i in range(TICKS):
        before = placed = placed and not told.begins[i]
        outside = script.state[i] and not placed and beyond[i] > 0
        far[i] = outside and beyond[i] > STEP
        if outside:
            placed = told.reason[i] is None  # its first command is the end of its range
        elif script.state[i]:
            placed |= whole[i]
        sendable[i] = placed
        if script.undone[i]:
            placed = before
    return far, sendable


def check_gripper(wanted, told, a):
    """It goes where it is told, and else stays: at the start of a sequence it is open."""
    limit = np.float32(1 if a == 7 else 2)
    wanted, moves, last = np.clip(wanted, -limit, limit), told.moves, 0.0
    for i in range(len(wanted)):
        if told.begins[i]:
            last = 0.0
        last = wanted[i] if moves[i] else last
        wanted[i] = last
    assert (told.action[:, -1] == wanted).all()


def norms(vectors):
    return np.sqrt((vectors.astype(np.float64) ** 2).sum(1))


def check_velocities(velocity, limit, told, rounding, dims_ranged):
    """Norm, change of the norm's vector, and braking, of one group ``[t, d]``."""
    moves, speed = told.moves, norms(velocity)
    before = np.roll(velocity, 1, axis=0)
    before[told.begins] = 0
    change = norms(velocity - before)
    assert (speed <= limit + rounding).all()
    at_end = np.array([bool(clamps & RANGES) for clamps in told.clamps]) & dims_ranged
    calm = moves & ~at_end
    assert (change[calm] <= ACCELERATION * PERIOD_S + 2 * rounding).all()
    assert (speed[~moves] <= norms(before)[~moves] + rounding).all()


def check_range(place, velocity, low, high, slack):
    there = place + velocity * PERIOD_S
    out = (there > np.maximum(high, place) + slack) | (there < np.minimum(low, place) - slack)
    assert not out.any()


@pytest.mark.slow
@pytest.mark.parametrize("length", [pytest.param(TICKS, id="long"), pytest.param(8, id="short")])
@settings(max_examples=SCRIPTS, deadline=None, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    faults=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    stale_action=st.sampled_from(["stop", "decelerate", "hold"]),
    arm=st.booleans(),
    ranged=st.booleans(),
)
@example(seed=642, faults=0.5, stale_action="stop", arm=True, ranged=False)  # half a first state
def test_no_sequence_makes_an_unsafe_command(length, seed, faults, stale_action, arm, ranged):
    spec = ARM if arm else HAND
    a, s = len(spec.action.names), len(spec.state.names)
    limits = {"max_acceleration": ACCELERATION, "stale_action": stale_action}
    if arm:
        limits["max_joint_step_rad"] = STEP
        if ranged:
            limits["joint_position_min_rad"] = {"joint_1": -BOX, "joint_2": -1.0}
            limits["joint_position_max_rad"] = {"joint_1": BOX}
    else:
        limits |= {"max_linear_velocity_m_s": SPEED, "max_angular_velocity_rad_s": TURN}
        if ranged:
            limits |= {"workspace_min_m": (-BOX,) * 3, "workspace_max_m": (BOX,) * 3}
    gate = build_gate(spec, AGES, **limits)
    script = write_script(np.random.default_rng(seed), faults, a, s)
    every = play(gate, script, a, s, length)
    far, sendable = expected_places(script, every, a)
    assert every.reason.tolist() == expected_reasons(script, every.ros_now_s, a, far)
    assert (every.sendable == sendable).all()
    counted = gate.counts.read()
    assert counted.stops["internal"] == 0
    assert sum(counted.stops.values()) == (~every.moves).sum()

    told = every.kept(~script.undone)  # to the robot, the others never were
    bound = REACH if arm else 1.0
    assert np.isfinite(told.action).all()
    assert (np.abs(told.action) <= bound).all()
    check_gripper(script.wanted[~script.undone], told, a)
    if arm:
        check_arm(told, stale_action, ranged)
    else:
        check_hand(told, stale_action, ranged)


def test_most_sequences_move_the_arm():
    """Else nothing above would be about motion."""
    gate = build_gate(ARM, AGES, max_acceleration=ACCELERATION, max_joint_step_rad=STEP)
    script = write_script(np.random.default_rng(0), 0.01, 3, 2)
    told = play(gate, script, 3, 2, 8)
    moved, sent = (x.reshape(-1, 8).any(1).mean() for x in (told.moves, told.sendable))
    out = np.array([reason is StopReason.STATE_OUT_OF_RANGE for reason in told.reason])
    assert moved > 0.7
    assert 0.8 < sent < 1
    assert out.any()


def check_hand(told, stale_action, ranged):
    linear, angular, moves = told.action[:, :3], told.action[:, 3:6], told.moves
    check_velocities(linear, SPEED, told, 1e-7, ranged)
    check_velocities(angular, TURN, told, 1e-7, False)
    brakes = np.array([reason in LATE for reason in told.reason]) & (stale_action == "decelerate")
    assert not told.action[~moves & ~brakes, :6].any()
    if ranged:
        check_range(told.state[moves], linear[moves], -BOX, BOX, 1e-6)


def check_arm(told, stale_action, ranged):
    """A step counts from the last command that was sent; before any, from where the arm is."""
    joints, measured = told.action[:, :2].astype(np.float64), told.state[:, ::-1]
    moves, unsent = told.moves, told.unsent
    before = np.roll(joints, 1, axis=0)
    steps = joints - np.where(unsent[:, None], measured, before)
    spacing = 2.4e-7  # of float32 below 2
    told_something = told.sendable & (moves | unsent)
    assert not (np.abs(steps[told_something]) > STEP + spacing).any()
    last = np.where(unsent[:, None], np.clip(measured, -REACH, REACH), before)
    velocity = (joints - last) / PERIOD_S  # once it was brought into its range
    before = np.roll(velocity, 1, axis=0)
    at_once = np.array([stale_action == "stop" or r not in LATE for r in told.reason])
    before[1:][~moves[:-1]] = np.nan  # it braked, or did not: the hand's test tells
    before[1:][~moves[:-1] & at_once[:-1]] = 0
    before[unsent] = 0
    calm = moves & np.array([not clamps & RANGES for clamps in told.clamps])
    change = np.abs(velocity - before)[calm]
    assert not (change > ACCELERATION * PERIOD_S + 4 * spacing / PERIOD_S).any()
    if ranged:
        check_range(last[moves][:, 0], velocity[moves][:, 0], -BOX, BOX, spacing)
