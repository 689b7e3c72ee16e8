"""Which seeds show which scenes: those of videos, demos and rollouts never meet.

No two tasks share a seed either: scenes that draw their positions alike would otherwise show them
all alike.
"""

from __future__ import annotations

from typing import Literal

from lapa_edge.errors import ConfigError

Use = Literal["videos", "demos", "rollouts"]

SEEDS_PER_TASK = 10_000
# Room for fifty tasks in each; a failed recording is tried again far above them all.
FIRST_SEEDS: dict[Use, int] = {"videos": 0, "demos": 500_000, "rollouts": 1_000_000}
SCENES_PER_SEED = 100


def scene_seeds(use: Use, task: int, seed: int, count: int) -> range:
    """The seeds of `count` scenes of one task.

    Args:
        use: what they are for.
        task: its place among the tasks of one plan.
        seed: of the training or recording; each has `SCENES_PER_SEED` scenes of its own.
        count: how many; more than `SCENES_PER_SEED` reach into those of the next seed.

    Raises:
        ConfigError: so many that they would reach into those of another task.
    """
    first = seed * SCENES_PER_SEED
    room = (FIRST_SEEDS["demos"] - FIRST_SEEDS["videos"]) // SEEDS_PER_TASK
    if first < 0 or count < 0 or first + count > SEEDS_PER_TASK or not 0 <= task < room:
        raise ConfigError(
            f"scenes of {use}",
            f"expected up to {room} tasks and {SEEDS_PER_TASK} scenes of each, got task number "
            f"{task + 1} and scenes {first} to {first + count} of it",
            "take fewer tasks, episodes or seeds",
        )
    first += FIRST_SEEDS[use] + task * SEEDS_PER_TASK
    return range(first, first + count)
