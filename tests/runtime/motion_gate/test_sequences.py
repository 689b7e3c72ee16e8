"""A million random ticks: whatever comes in, what goes out is finite, bounded, fresh and slow."""

from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_gates import PERIOD_S, arm_robot, build_gate, hand_robot

from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts
from lapa_edge.runtime.motion_gate.reasons import Clamp, StopReason
from lapa_edge.runtime.safety import Command

EXAMPLES, TICKS = 1000, 1000
AGES = AgeLimits(
    image_timeout_s=0.2,
    max_observation_age_s=0.5,
    max_future_stamp_s=0.05,
    max_latent_age_s=0.4,
    state_timeout_s=0.1,
    chunk_timeout_s=0.3,
)
SPEED, TURN, ACCELERATION, STEP, BOX = 0.25, 0.5, 2.0, 0.02, 0.1
HAND, ARM = hand_robot(), arm_robot()
SHUTS_DOWN = {StopReason.NO_IMAGE, StopReason.IMAGE_AGE, StopReason.STAMP_AGE}
SHUTS_DOWN |= {StopReason.LATENT_AGE, StopReason.CHUNK_EXHAUSTED}
RANGES = {Clamp.WORKSPACE, Clamp.JOINT_POSITION, Clamp.ACTION_RANGE}


@dataclass
class Script:
    """What comes in, a row per tick; ages in seconds."""

    now_s: np.ndarray
    action: list  # f32 [a], some of another size
    wanted: np.ndarray  # [t], of the gripper
    finite: np.ndarray  # bool: whether the action is
    stopped: np.ndarray
    image: np.ndarray  # bool: whether there is one
    image_age_s: np.ndarray
    stamped: np.ndarray
    stamp_age_s: np.ndarray
    latent_age_s: np.ndarray
    state: np.ndarray  # bool
    state_age_s: np.ndarray
    drift: np.ndarray  # f32 [t, s], what is measured beyond where the robot was told to go
    chunked: np.ndarray
    chunk_age_s: np.ndarray
    press: np.ndarray  # 1 press, -1 release the e-stop
    stop: np.ndarray
    reset: np.ndarray
    enable: np.ndarray  # 1 enable, -1 disable


def write_script(rng, faults, a, s):
    """`faults`: how likely each thing goes wrong at a tick."""
    t = TICKS

    def seldom(likely=1.0):
        return rng.random(t) < faults * likely

    def ages(usual_s, limit_s):
        strange = np.array([limit_s, np.nextafter(limit_s, 9), 2 * limit_s, -0.01, np.nan, np.inf])
        broken = np.where(rng.random(t) < 0.5, rng.choice(strange, t), rng.random(t) * 3 * limit_s)
        return np.where(seldom(), broken, usual_s)

    action = np.repeat(rng.normal(size=(t // 20, a)), 20, 0) + 0.1 * rng.normal(size=(t, a))
    wild = rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 100.0], (t, a))
    action = np.where(rng.random((t, a)) < faults / 2, wild, action)
    action = action.astype(np.float32)
    sizes = np.where(seldom(0.3), rng.choice([0, a - 1, a + 1], t), a)
    arrived = [x if n == a else np.resize(x, n) for x, n in zip(action, sizes, strict=True)]
    drift = np.cumsum(0.02 * rng.normal(size=(t, s)) * (rng.random((t, s)) < faults), 0)
    drift = np.where(rng.random((t, s)) < faults / 9, np.nan, drift)
    back = seldom(0.3) * rng.random(t) * 2
    return Script(
        now_s=1000 + np.cumsum(PERIOD_S * rng.choice([0, 1, 1, 1, 3], t) - back),
        action=arrived,
        wanted=action[:, -1],
        finite=np.array([bool(np.isfinite(x).all()) for x in arrived]),
        stopped=seldom(0.3),
        image=~seldom(0.2),
        image_age_s=ages(0.03, AGES.image_timeout_s),
        stamped=~seldom(),
        stamp_age_s=ages(0.05, AGES.max_observation_age_s),
        latent_age_s=ages(0.1, AGES.max_latent_age_s),
        state=~seldom(0.2),
        state_age_s=ages(0.01, AGES.state_timeout_s),
        drift=drift.astype(np.float32),
        chunked=rng.random(t) < 0.3,
        chunk_age_s=ages(0.2, AGES.chunk_timeout_s),
        press=np.where(seldom(0.2), 1, np.where(rng.random(t) < 0.2, -1, 0)),
        stop=seldom(0.2),
        reset=rng.random(t) < 0.2,
        enable=np.where(seldom(0.2), -1, np.where(rng.random(t) < 0.2, 1, 0)),
    )


@dataclass
class Told:
    """What came out, a row per tick."""

    action: np.ndarray
    reason: list
    clamps: list
    state: np.ndarray  # as it was measured
    ros_now_s: float


def play(gate, script, a, s):
    """Drive the gate; the robot goes where it is told, but for its kicks."""
    columns = (getattr(script, f.name) for f in fields(Script))
    rows = zip(*(x.tolist() if getattr(x, "ndim", 2) == 1 else x for x in columns), strict=True)
    place, ros_now_s = np.zeros(s, np.float32), 1.7e9
    told, reasons, clamps, states = [], [], [], []
    for (
        now_s, action, _, _, stopped, image, image_age_s, stamped, stamp_age_s, latent_age_s,
        known, state_age_s, drift, chunked, chunk_age_s, press, stop, reset, enable,
    ) in rows:  # fmt: skip
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
        if a == 7:
            place = place + gated.action[:3] * np.float32(PERIOD_S)
        elif gated.sendable:
            place = gated.action[1::-1]  # the states are in another order
        told.append(gated.action)
        reasons.append(gated.reason)
        clamps.append(gated.clamps)
        states.append(measured)
    return Told(np.array(told), reasons, clamps, np.array(states), ros_now_s)


def expected_reasons(script, ros_now_s, a):
    """The first reason by tick, by a table of conditions in the order that the issue asks for."""
    image_age_s = script.now_s - (script.now_s - script.image_age_s)
    stamp_age_s = ros_now_s - (ros_now_s - script.stamp_age_s)
    estop, latched, stopped, enabled = latches_by_tick(script)

    def not_past(age_s):
        return ~((age_s >= 0) & (age_s < np.inf))

    clock = script.image & not_past(image_age_s)
    clock |= ~script.stopped & not_past(script.latent_age_s)
    clock |= script.state & not_past(script.state_age_s)
    clock |= script.chunked & not_past(script.chunk_age_s)
    exhausted = script.chunked & (script.chunk_age_s > AGES.chunk_timeout_s)
    size = np.array([len(x) for x in script.action])
    with np.errstate(invalid="ignore"):
        table = [
            (StopReason.ESTOP, estop | latched),
            (StopReason.STOPPED, stopped),
            (StopReason.NOT_ENABLED, ~enabled),
            (StopReason.CLOCK, clock),
            (StopReason.NO_IMAGE, ~script.image),
            (StopReason.IMAGE_AGE, image_age_s > AGES.image_timeout_s),
            (StopReason.STAMP_FUTURE, script.stamped & ~(stamp_age_s >= -AGES.max_future_stamp_s)),
            (StopReason.STAMP_AGE, script.stamped & (stamp_age_s > AGES.max_observation_age_s)),
            (StopReason.LATENT_AGE, script.latent_age_s > AGES.max_latent_age_s),
            (StopReason.NO_STATE, ~script.state),
            (StopReason.STATE_AGE, script.state_age_s > AGES.state_timeout_s),
            (StopReason.STATE_NOT_FINITE, np.isnan(script.drift).any(1)),
            (StopReason.POLICY, script.stopped),
            (StopReason.NOT_FINITE, ~script.finite),
            (StopReason.WRONG_SIZE, size != a),
            (StopReason.CHUNK_EXHAUSTED, exhausted),
        ]  # fmt: skip
    first = np.select([holds for _, holds in table], range(len(table)), -1)
    return [None if i < 0 else table[i][0] for i in first]


def latches_by_tick(script):
    estop = latched = stopped = False
    enabled, rows = True, []
    for press, stop, reset, enable in zip(
        script.press, script.stop, script.reset, script.enable, strict=True
    ):
        estop = estop if press == 0 else press == 1
        latched = latched or estop
        stopped = stopped or stop
        if reset and not estop:
            latched = stopped = False
        if enable == -1 or (enable == 1 and not latched and not stopped):
            enabled = enable == 1
        rows.append((estop, latched, stopped, enabled))
    return np.array(rows, bool).T


def check_gripper(script, told, moves, a):
    grip, last = told.action[:, -1], 0.0
    limit = np.float32(1 if a == 7 else 2)
    wanted = np.clip(script.wanted, -limit, limit)
    for i in range(TICKS):
        last = wanted[i] if moves[i] else last
        wanted[i] = last
    assert (grip == wanted).all()


def norms(vectors):
    return np.sqrt((vectors.astype(np.float64) ** 2).sum(1))


def check_velocities(velocity, limit, told, rounding, dims_ranged):
    """Norm, change of the norm's vector, and braking, of one group ``[t, d]``."""
    moves = np.array([reason is None for reason in told.reason])
    speed = norms(velocity)
    before = np.vstack((np.zeros_like(velocity[:1]), velocity[:-1]))
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
@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    faults=st.sampled_from([0.0, 0.005, 0.05, 0.5]),
    stale_action=st.sampled_from(["stop", "decelerate", "hold"]),
    arm=st.booleans(),
    ranged=st.booleans(),
)
def test_no_sequence_makes_an_unsafe_command(seed, faults, stale_action, arm, ranged):
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
    told = play(gate, script, a, s)

    assert told.reason == expected_reasons(script, told.ros_now_s, a)
    bound = 2.0 if arm else 1.0
    assert np.isfinite(told.action).all()
    assert (np.abs(told.action) <= bound).all()
    moves = np.array([reason is None for reason in told.reason])
    check_gripper(script, told, moves, a)
    counted = gate.counts.read()
    assert counted.stops["internal"] == 0
    assert sum(counted.stops.values()) == (~moves).sum()
    if arm:
        check_arm(told, moves, stale_action, ranged)
    else:
        check_hand(told, moves, stale_action, ranged)


def check_hand(told, moves, stale_action, ranged):
    linear, angular = told.action[:, :3], told.action[:, 3:6]
    check_velocities(linear, SPEED, told, 1e-7, ranged)
    check_velocities(angular, TURN, told, 1e-7, False)
    brakes = np.array([reason in SHUTS_DOWN for reason in told.reason]) & (
        stale_action == "decelerate"
    )
    assert not told.action[~moves & ~brakes, :6].any()
    if ranged:
        check_range(told.state[moves], linear[moves], -BOX, BOX, 1e-6)


def check_arm(told, moves, stale_action, ranged):
    """A step counts from the last command; standing still begins where the arm is measured."""
    joints = told.action[:, :2].astype(np.float64)
    start = told.state[:1, ::-1]
    steps = np.diff(joints, axis=0, prepend=start)
    spacing = 2.4e-7  # of float32 below 2
    assert not (np.abs(steps[moves]) > STEP + spacing).any()
    velocity = steps / PERIOD_S
    before = np.vstack((np.zeros(2), velocity[:-1]))
    at_once = np.array([stale_action == "stop" or r not in SHUTS_DOWN for r in told.reason])
    before[1:][~moves[:-1]] = np.nan  # it braked, or did not: the hand's test tells
    before[1:][~moves[:-1] & at_once[:-1]] = 0
    calm = moves & np.array([not clamps & RANGES for clamps in told.clamps])
    change = np.abs(velocity - before)[calm]
    assert not (change > ACCELERATION * PERIOD_S + 4 * spacing / PERIOD_S).any()
    if ranged:
        check_range(joints[:-1][moves[1:]][:, 0], velocity[1:][moves[1:]][:, 0], -BOX, BOX, spacing)
