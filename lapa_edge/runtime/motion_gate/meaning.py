"""Which number of an action moves what, and how far in metres and radians."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lapa_edge.spec import PolicySpec

Moves = Literal[
    "translation_x", "translation_y", "translation_z",
    "rotation_x", "rotation_y", "rotation_z",
    "joint", "gripper", "other",
]  # fmt: skip
"""other: something that no limit but the bundle's own applies to; only said explicitly."""


@dataclass(frozen=True)
class ActionMeaning:
    """One entry per action ``[a]``.

    moves: what it moves. absolute: whether it is a position, not a displacement or velocity.
    scale: an absolute action times this is metres or radians; any other, metres or radians per
    second (a displacement is one per step of the bundle's ``control_hz``). measured_by: the state
    that measures the position, -1 where none is known; position_scale: that state times this is
    metres or radians.
    """

    moves: tuple[Moves, ...]
    absolute: tuple[bool, ...]
    scale: tuple[float, ...]
    measured_by: tuple[int, ...]
    position_scale: tuple[float, ...]

    def dims(self, *moves: Moves) -> tuple[int, ...]:
        """For each of `moves` the action that does it, -1 where none does."""
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
        measured_by: action name -> state name, where they do not tell.

    Raises:
        ConfigError: an action whose meaning or unit stays unknown, or one that does not exist.
    """
    raise NotImplementedError
