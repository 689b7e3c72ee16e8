"""Which number of an action moves what, and how far in metres and radians."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, cast, get_args

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.motion_gate.names import Unit, moves_of_name, read_unit, unit_of_name
from lapa_edge.spec import PolicySpec

Moves = Literal[
    "translation_x", "translation_y", "translation_z",
    "rotation_x", "rotation_y", "rotation_z",
    "joint", "gripper", "other",
]  # fmt: skip
"""other: something that no limit but the bundle's own applies to; only said explicitly."""

_UNITS = {"translation": ("length",), "rotation": ("angle",), "joint": ("angle", "length")}


@dataclass(frozen=True)
class ActionMeaning:
    """One entry per action ``[a]``.

    moves: what it moves. absolute: whether it is a position, not a displacement or velocity.
    scale: an absolute action times this is metres or radians; any other, metres or radians per
    second (a displacement is one per step of the bundle's ``control_hz``); 1 for grippers and
    "other". measured_by: the state that measures the position, -1 where none is known;
    position_scale: that state times this is metres or radians.
    """

    moves: tuple[Moves, ...]
    absolute: tuple[bool, ...]
    scale: tuple[float, ...]
    measured_by: tuple[int, ...]
    position_scale: tuple[float, ...]

    def dims(self, *moves: Moves) -> tuple[int, ...]:
        """For each of `moves` the action that does it first, -1 where none does."""
        return tuple(self.moves.index(m) if m in self.moves else -1 for m in moves)


def read_meaning(
    spec: PolicySpec,
    moves: Mapping[str, str] | None = None,
    measured_by: Mapping[str, str] | None = None,
) -> ActionMeaning:
    """What the names, kinds and units of a bundle's actions tell, completed by what is said.

    Args:
        spec: the bundle's.
        moves: action name -> one of `Moves`, and after a space its unit where the bundle's says
            too little: ``{"hand_dx": "translation_x 1 cm/step"}``.
        measured_by: action name -> state name, where they do not tell. States are metres and
            radians, unless their names end in another unit.

    Raises:
        ConfigError: an action whose meaning or unit stays unknown, or one that does not exist.
    """
    said, measures = moves or {}, measured_by or {}
    names, states = spec.action.names, spec.state.names
    for thing, mapping in (("moves", said), ("measured_by", measures)):
        if unknown := [name for name in mapping if name not in names]:
            _refuse(thing, f"expected actions of {', '.join(names)}, got {', '.join(unknown)}")
    kinds = spec.action.kinds or ("delta",) * len(names)
    found = [
        _read_action(name, unit, kind, said.get(name), spec.action.control_hz)
        for name, unit, kind in zip(names, spec.action.units, kinds, strict=True)
    ]
    all_moves = tuple(what for what, _ in found)
    for what in all_moves:
        if what.startswith(("translation", "rotation")) and all_moves.count(what) > 1:
            doing = [name for name, (other, _) in zip(names, found, strict=True) if other == what]
            _refuse("actions", f"expected one {what}, got {', '.join(doing)}", _SAY)
    hold = spec.action.hold or (-1,) * len(names)
    measured = [
        hold[i] if hold[i] >= 0 else _measuring(names[i], what, states, measures.get(names[i]))
        for i, what in enumerate(all_moves)
    ]
    absolute = tuple(kind == "absolute" for kind in kinds)
    scale = tuple(scale for _, scale in found)
    position_scale = tuple(
        scale[i] if absolute[i] else unit_of_name(states[state]) if state >= 0 else 1.0
        for i, state in enumerate(measured)
    )
    return ActionMeaning(all_moves, absolute, scale, tuple(measured), position_scale)


_SAY = "say what it moves in `moves`"


def _read_action(
    name: str, unit_text: str, kind: str, said: str | None, control_hz: float
) -> tuple[Moves, float]:
    """What an action moves, and its scale."""
    what, _, said_unit = (said or "").strip().partition(" ")
    if said is None:
        what = "gripper" if kind == "gripper" else moves_of_name(name) or ""
    if what not in get_args(Moves):
        tells = f"got {what!r}" if said is not None else "its name tells none"
        _refuse(f"action {name}", f"expected it to move {_choices()}; {tells}", _SAY)
    if (kind == "gripper") != (what == "gripper") and (what, kind) != ("gripper", "absolute"):
        _refuse(
            f"action {name}",
            f'expected kind "gripper" of a gripper and of nothing else, got "{kind}" of {what!r}',
            'a gripper must keep its last command; say "other" in `moves` where it need not',
        )
    if what in ("gripper", "other"):
        return cast(Moves, what), 1.0
    unit = read_unit(said_unit or unit_text)
    allowed = _UNITS[what.split("_")[0]]
    if unit is None or unit.of not in allowed or (kind == "absolute" and unit.per):
        like = " or ".join({"length": "cm, m/s", "angle": "rad, deg/s"}[of] for of in allowed)
        like = like.replace(", m/s", "").replace(", deg/s", "") if kind == "absolute" else like
        got = repr(said_unit or unit_text)
        _refuse(
            f"action {name}",
            f"expected a unit such as {like} of {what!r}, got {got}",
            f'say it in `moves`: "{what} UNIT"',
        )
    return cast(Moves, what), _scale(unit, kind, control_hz)


def _scale(unit: Unit, kind: str, control_hz: float) -> float:
    per_step = kind != "absolute" and unit.per != "s"
    return unit.si * control_hz if per_step else unit.si


def _measuring(name: str, what: Moves, states: tuple[str, ...], said: str | None) -> int:
    """The state that measures what an action moves; -1 where none does, or several might."""
    if said is not None:
        if said not in states:
            _refuse(f"measured_by of {name}", f"expected one of {', '.join(states)}, got {said}")
        return states.index(said)
    if name in states:
        return states.index(name)
    if what in ("joint", "gripper", "other"):
        return -1
    candidates = [i for i, state in enumerate(states) if moves_of_name(state) == what]
    return candidates[0] if len(candidates) == 1 else -1


def _choices() -> str:
    return "one of " + ", ".join(get_args(Moves))


def _refuse(thing: str, problem: str, fix: str = "") -> NoReturn:
    raise ConfigError(thing, problem, fix)
