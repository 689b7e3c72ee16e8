"""A contest: candidates that compute the same thing from the same input, and what is claimed.

Before anything is timed, every candidate runs once and its result is compared: a fast wrong
answer has no place in a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.rounds import Run, repeated
from lapa_edge.errors import LapaError

Result = NDArray[Any]
Call = Callable[[], Any]

# The largest error, in the unit that the contest's `error` explains, and why.
TOLERANCES = {
    # Head: largest difference as a share of the largest output.
    "f32": 1e-5,  # other orders of addition
    "bf16": 0.02,  # weights of 8 bits; errors add over the layers
    "int8": 0.1,  # weights and activations of 8 bits
    # Codebook: how much farther the chosen code is than the nearest, as a share.
    "codes": 1e-4,  # ties of the expanded form |x|^2 - 2 x.c + |c|^2
    # Frame: mean difference in grey levels, of a smooth picture.
    "same_filter": 1e-4,  # normalising and back again
    "other_filter": 2.0,  # without antialiasing, or over other areas
}


@dataclass(frozen=True)
class Candidate:
    """Something that is measured.

    Args:
        name: as the tables show it.
        role: "ours", "peer" or "floor".
        run: makes so many calls in a row.
        result: gives what is computed, after `run`; None where nothing is computed.
        tolerance: key of TOLERANCES for that result.
    """

    name: str
    role: str
    run: Run
    result: Call | None = None
    tolerance: str = ""


@dataclass(frozen=True)
class Claim:
    """`ours` against the fastest of `peers` and against `floor`: names of candidates.

    `must` and `aim` are those of targets.py; `must_us` and `aim_us` are absolute.
    """

    ours: str
    peers: tuple[str, ...] = ()
    floor: str = ""
    must: float | None = None
    aim: float | None = None
    must_us: float | None = None
    aim_us: float | None = None


@dataclass(frozen=True)
class Contest:
    """Candidates side by side. `error` says how far a result is from the reference."""

    group: str
    title: str
    error: Callable[[Result], float]
    candidates: list[Candidate] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def add_ours(self, name: str, step: Call, into: Result, tolerance: str) -> None:
        """Our kernel: `step` fills `into`."""
        self._add(Candidate(name, "ours", repeated(step), lambda: into, tolerance))

    def add_peer(self, name: str, call: Call, tolerance: str, into: Result | None = None) -> None:
        """An alternative: `call` returns the result, or fills `into`."""
        result = call if into is None else lambda: into
        self._add(Candidate(name, "peer", repeated(call), result, tolerance))

    def add_floor(self, name: str, run: Run) -> None:
        """What no kernel can beat on this machine."""
        self._add(Candidate(name, "floor", run))

    def _add(self, candidate: Candidate) -> None:
        assert candidate.name not in {known.name for known in self.candidates}, candidate.name
        self.candidates.append(candidate)


def check_parity(contest: Contest) -> dict[str, float]:
    """Every candidate's error by name.

    Raises:
        LapaError: one is beyond its tolerance, or not finite.
    """
    errors = {}
    for candidate in contest.candidates:
        if candidate.result is None:
            continue
        candidate.run(1)
        error = contest.error(np.asarray(candidate.result()))
        limit = TOLERANCES[candidate.tolerance]
        if not error <= limit:
            raise LapaError(
                f"{contest.title}, {candidate.name}",
                f"expected an error of at most {limit:g}, got {error:.3g}",
                "its times would mean nothing",
            )
        errors[candidate.name] = error
    return errors
