"""Bundles of robots whose actions mean something, with random weights."""

from __future__ import annotations

import msgspec
from bundles import tiny_files, tiny_spec

from lapa_edge.artifact import write_bundle

JOINTS = ("joint_0", "joint_1", "joint_2")
TWIST = ("vx", "vy", "vz", "wx", "wy", "wz")


def write_joint_bundle(root, **lengths):
    """Three joint velocities. Latents may be 10 s old, so that tests of other limits test those."""
    return _write(root, JOINTS, ("rad/s",) * 3, {}, lengths)


def write_twist_bundle(root, **lengths):
    """Three velocities and three turning speeds."""
    return _write(root, TWIST, ("m/s",) * 3 + ("rad/s",) * 3, {}, lengths)


def write_position_bundle(root, **lengths):
    """Targets of three joints, 16 to a chunk: longer than a look takes."""
    kinds = {"kinds": ("absolute",) * 3, "hold": (0, 1, 2)}
    return _write(root, JOINTS, ("rad",) * 3, kinds, {"chunk": 16, **lengths})


def write_gripping_bundle(root, **lengths):
    """Targets of two joints, and a gripper that is commanded."""
    kinds = {"kinds": ("absolute", "absolute", "gripper"), "hold": (0, 1, -1)}
    return _write(root, (*JOINTS[:2], "gripper"), ("rad", "rad", "1"), kinds, lengths)


def _write(root, names, units, fields, lengths):
    lengths = {"policy_hz": 30.0, "control_hz": 100.0, "max_latent_age_s": 10.0, **lengths}
    spec = tiny_spec(a=len(names), **lengths)
    action = msgspec.structs.replace(spec.action, names=names, units=units, **fields)
    spec = msgspec.structs.replace(spec, action=action)
    return write_bundle(root, spec, tiny_files(spec), {"made_by": "tests/ros/robot_bundles.py"})
