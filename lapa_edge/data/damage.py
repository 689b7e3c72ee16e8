"""How much damage is an accident, and how much says that the dataset itself is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from lapa_edge.errors import DataError

MAX_DAMAGED = 0.1


def check_damage(
    source: str, damaged: Sequence[str], total: int, max_damaged: float = MAX_DAMAGED
) -> None:
    """Refuse a dataset of which too much is damaged; less is skipped, counted and named.

    Args:
        source: the dataset, for the message.
        damaged: a line per damaged episode.
        total: episodes in all, the damaged ones included.
        max_damaged: share of them, 0 to 1, that may be damaged.

    Raises:
        DataError: more are damaged, or all of them; names the first three.
    """
    if damaged and (len(damaged) > max_damaged * total or len(damaged) == total):
        raise DataError(
            source,
            f"{len(damaged)} of {total} clips are damaged, at most {max_damaged:.0%} may be: "
            + " | ".join(damaged[:3]),
            "mend them, or allow more with --max-damaged",
        )
