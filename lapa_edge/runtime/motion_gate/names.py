"""What the names and units of actions and states tell about what they move."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_SI = {
    "m": ("length", 1.0), "cm": ("length", 1e-2), "mm": ("length", 1e-3),
    "rad": ("angle", 1.0), "mrad": ("angle", 1e-3), "deg": ("angle", math.pi / 180),
}  # fmt: skip
_UNIT = re.compile(rf"(?:([0-9.]+(?:e-?[0-9]+)?) ?)?({'|'.join(_SI)})(?: ?/ ?(step|s))?")
_UNIT_SUFFIX = re.compile(rf"_({'|'.join(_SI)})(_per_s|_s|/s)?$")

_ROTATION_WORDS = {"rotation", "rot", "angular", "angle", "rpy", "euler", "omega"}
_JOINT_WORDS = {"joint", "waist", "shoulder", "elbow", "forearm", "wrist"}
_GRIPPER_WORDS = {"gripper", "finger", "fingers", "jaw"}
_AXES = dict(zip("xyz123", "xyzxyz", strict=True))
_TURNS = {"roll": "x", "pitch": "y", "yaw": "z"}
_AXIS_WORD = re.compile(r"(?:d|v|delta|vel)?([xyz])")
_TURN_WORD = re.compile(r"d?(?:(roll|pitch|yaw)|[rw]([xyz])|angle([xyz123]))")


@dataclass(frozen=True)
class Unit:
    """of: length or angle; si: metres or radians in one; per: "", "step" or "s"."""

    of: str
    si: float
    per: str


def read_unit(text: str) -> Unit | None:
    """``5 cm/step``, ``rad``, ``m/s``; None for whatever is no length or angle."""
    match = _UNIT.fullmatch(text.strip())
    if match is None:
        return None
    number, symbol, per = match.groups()
    of, si = _SI[symbol]
    try:
        factor = float(number or 1)
    except ValueError:  # 1.2.3
        return None
    return Unit(of, factor * si, per or "") if factor > 0 else None


def unit_of_name(name: str) -> float:
    """Metres or radians in one, by the name's ending: 0.01 for ``x_cm``; 1 where it has none."""
    match = _UNIT_SUFFIX.search(name.lower())
    return _SI[match[1]][1] if match else 1.0


def moves_of_name(name: str) -> str | None:
    """One of `Moves`; None for a name that tells nothing, or more than one thing.

    ``hand_dx`` and ``vx`` are translations; ``roll``, ``drz``, ``angular_z`` and ``axis_angle2``
    rotations; ``wrist_roll`` is a joint, since joints are named after what they turn.
    """
    bare = _UNIT_SUFFIX.sub("", name.lower())
    words = [word for word in re.split(r"[^a-z0-9]+", bare) if word]
    if _GRIPPER_WORDS & set(words):
        return "gripper"
    last = words[-1] if words else ""
    axis, turn = _AXIS_WORD.fullmatch(last), _TURN_WORD.fullmatch(last)
    if any(word.rstrip("0123456789") in _JOINT_WORDS for word in words):
        return None if axis else "joint"
    if turn:
        return "rotation_" + (_TURNS.get(turn[1]) or turn[2] or _AXES[turn[3]])
    if _ROTATION_WORDS & set(words[:-1]):
        return f"rotation_{axis[1]}" if axis else None
    return f"translation_{axis[1]}" if axis else None
