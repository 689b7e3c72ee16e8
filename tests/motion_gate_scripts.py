"""What a thousand ticks may bring to a motion gate, and by which reason it must stop in each."""

from dataclasses import dataclass

import numpy as np
from motion_gates import PERIOD_S

from lapa_edge.runtime.motion_gate.facts import AgeLimits
from lapa_edge.runtime.motion_gate.reasons import StopReason

TICKS = 1000
AGES = AgeLimits(
    image_timeout_s=0.2,
    max_observation_age_s=0.5,
    max_future_stamp_s=0.05,
    max_latent_age_s=0.4,
    state_timeout_s=0.1,
    chunk_timeout_s=0.3,
)


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
    start: np.ndarray  # f32 [t, s], where an arm is measured if a sequence begins here
    chunked: np.ndarray
    chunk_age_s: np.ndarray
    press: np.ndarray  # 1 press, -1 release the e-stop
    stop: np.ndarray
    reset: np.ndarray
    enable: np.ndarray  # 1 enable, -1 disable
    undone: np.ndarray  # bool: whether the command does not reach the robot


def write_script(rng, faults, a, s):
    """`faults`: how likely each thing goes wrong at a tick."""
    t = TICKS

    def seldom(likely=1.0):
        return rng.random(t) < faults * likely

    def ages(usual_s, limit_s):
        past = [limit_s, np.nextafter(limit_s, 9), 2 * limit_s, np.inf]
        strange = np.array([*past, -0.01, -1, np.nan])
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
    reach = rng.choice([0.95, 1.005, 1.3], (t, s), p=[0.9, 0.06, 0.04])  # within, a little out, far
    back = seldom(0.3) * rng.random(t) * 2
    return Script(
        now_s=1000 + np.cumsum(PERIOD_S * rng.choice([0, 1, 1, 1, 3], t) - back),
        action=arrived,
        wanted=action[:, -1],
        finite=np.array([bool(np.isfinite(x).all()) for x in arrived]),
        stopped=seldom(0.3),
        image=~seldom(0.2),
        image_age_s=ages(0.03, AGES.image_timeout_s) - back,  # received before the clock went back
        stamped=~seldom(),
        stamp_age_s=ages(0.05, AGES.max_observation_age_s),
        latent_age_s=ages(0.1, AGES.max_latent_age_s),
        state=~seldom(0.2),
        state_age_s=ages(0.01, AGES.state_timeout_s),
        drift=drift.astype(np.float32),
        start=(2 * reach * rng.choice([-1, 1, rng.random()], (t, s))).astype(np.float32),
        chunked=rng.random(t) < 0.3,
        chunk_age_s=ages(0.2, AGES.chunk_timeout_s),
        press=np.where(seldom(0.2), 1, np.where(rng.random(t) < 0.2, -1, 0)),
        stop=seldom(0.2),
        reset=rng.random(t) < 0.2,
        enable=np.where(seldom(0.2), -1, np.where(rng.random(t) < 0.2, 1, 0)),
        undone=seldom(0.3),
    )


def expected_reasons(script, ros_now_s, a, far):
    """The first reason by tick, by a table of conditions in their order.

    `far`: whether a robot that was sent nothing stands far out of its range, bool [t].
    """
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
            (StopReason.STATE_OUT_OF_RANGE, far),
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
