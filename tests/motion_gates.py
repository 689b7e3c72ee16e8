"""Robots, commands and facts for the tests of the motion gate."""

from dataclasses import replace

import msgspec
import numpy as np
from bundles import tiny_spec

from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts
from lapa_edge.runtime.motion_gate.gate import MotionGate
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import read_meaning
from lapa_edge.runtime.safety import Command

AGES = AgeLimits(max_latent_age_s=0.5)
RATE_HZ = 100.0
PERIOD_S = 1 / RATE_HZ
NOW_S, ROS_NOW_S = 1000.0, 1.7e9


def robot(names, units, kinds, low, high, states, hold=None, control_hz=10.0):
    """The spec of a robot; actions of equal limits, stops of 0."""
    a, s = len(names), len(states)
    spec = tiny_spec(a=a, s=s, control_hz=control_hz)
    hold = hold or tuple(
        states.index(name) if kind == "absolute" else -1
        for name, kind in zip(names, kinds, strict=True)
    )
    action = msgspec.structs.replace(
        spec.action,
        names=tuple(names),
        units=tuple(units),
        kinds=tuple(kinds),
        low=tuple(low),
        high=tuple(high),
        hold=tuple(hold),
    )
    return msgspec.structs.replace(
        spec, action=action, state=msgspec.structs.replace(spec.state, names=tuple(states))
    )


def hand_robot(unit="m/s", turn="rad/s", **changes):
    """A hand that moves and turns by velocities up to 1, and a gripper; its place is measured."""
    names = ("dx", "dy", "dz", "roll", "pitch", "yaw", "gripper")
    return robot(
        names,
        (unit,) * 3 + (turn,) * 3 + ("1",),
        ("delta",) * 6 + ("gripper",),
        (-1.0,) * 7,
        (1.0,) * 7,
        ("x", "y", "z"),
        **changes,
    )


def arm_robot(**changes):
    """Two joints told positions of -2 to 2 rad, and a gripper."""
    names = ("joint_1", "joint_2", "gripper")
    kinds = ("absolute", "absolute", "gripper")
    states = ("joint_2", "joint_1")
    return robot(names, ("rad", "rad", "1"), kinds, (-2.0,) * 3, (2.0,) * 3, states, **changes)


def build_gate(spec, ages=AGES, enabled=True, rate_hz=RATE_HZ, **limits):
    return MotionGate(
        spec, read_meaning(spec), ages, MotionLimits(**limits), rate_hz=rate_hz, enabled=enabled
    )


def wants(*action, stopped=None):
    return Command(np.array(action, np.float32), stopped, 0, 0.1)


def fresh(state=(), **changes):
    """Facts in which nothing is late; ages in seconds where `changes` say so."""
    facts = Facts(
        now_s=NOW_S,
        ros_now_s=ROS_NOW_S,
        image_received_s=NOW_S - 0.03,
        image_stamp_s=ROS_NOW_S - 0.05,
        latent_age_s=0.1,
        state=np.array(state, np.float32),
        state_age_s=0.01,
    )
    return replace(facts, **changes)


LATE = {"image_received_s": NOW_S - 0.3}


def run(gate, *actions, state=(0, 0, 0), **changes):
    """The commands of one tick after the other."""
    return [gate.decide(wants(*action), fresh(state, **changes)) for action in actions]
