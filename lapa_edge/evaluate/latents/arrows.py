"""Where the arm truly goes under each code: one arrow per code, with its spread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import DataError
from lapa_edge.evaluate.latent_codec import Codes
from lapa_edge.evaluate.latents.motion import Motion
from lapa_edge.evaluate.latents.usage import CommonSequences

LENGTHS = ("m", "cm", "mm", "px")


@dataclass(frozen=True)
class Arrow:
    """Mean true motion of the pairs with some codes.

    Attributes:
        codes: a whole sequence, or one code of one position.
        count: pairs.
        mean: of the two action dimensions.
        covariance: [2][2], of the same; zeros for fewer than two pairs.
    """

    codes: tuple[int, ...]
    count: int
    mean: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class ArrowsResult:
    """Motion by code: of the common sequences, and of each position's common codes."""

    dims: tuple[str, str]
    units: tuple[str, str]
    sequences: tuple[Arrow, ...]
    positions: tuple[tuple[Arrow, ...], ...]


def planar_dims(names: tuple[str, ...], units: tuple[str, ...]) -> tuple[int, int] | None:
    """The dimensions named x and y (``x``, ``dx``, ``target_dx``), else the first two lengths."""
    words = [re.split(r"[^a-z]+", name.lower()) for name in names]
    x, y = (
        [i for i, found in enumerate(words) if {letter, f"d{letter}", f"delta{letter}"} & {*found}]
        for letter in "xy"
    )
    if x and y:
        return x[0], y[0]
    lengths = [i for i, unit in enumerate(units) if unit in LENGTHS]
    return (lengths[0], lengths[1]) if len(lengths) > 1 else None


def measure_arrows(
    codes: Codes, motion: Motion, common: CommonSequences, top: int = 8
) -> ArrowsResult:
    """Mean motion of the `common` sequences and of the `top` codes of each position.

    Raises:
        DataError: fewer than two of the action dimensions are lengths.
    """
    dims = planar_dims(motion.names, motion.units)
    if dims is None:
        raise DataError(
            "arrows of motion",
            f"expected actions named x and y, or two in {', '.join(LENGTHS)}, "
            f"got {', '.join(motion.names)}",
        )
    codes, plane = codes[motion.known], motion.value[motion.known][:, list(dims)]
    sequences = [_arrow(row, plane[(codes == row).all(1)]) for row in common.codes]
    positions = []
    for column in codes.T:
        counts = np.bincount(column)
        frequent = [c for c in np.argsort(-counts, kind="stable")[:top] if counts[c]]
        positions.append(tuple(_arrow(np.array([c]), plane[column == c]) for c in sorted(frequent)))
    return ArrowsResult(
        dims=(motion.names[dims[0]], motion.names[dims[1]]),
        units=(motion.units[dims[0]], motion.units[dims[1]]),
        sequences=tuple(arrow for arrow in sequences if arrow.count),
        positions=tuple(positions),
    )


def _arrow(codes: NDArray[np.integer[Any]], plane: NDArray[np.float64]) -> Arrow:
    spread = np.cov(plane.T) if len(plane) > 1 else np.zeros((2, 2))
    mean = plane.mean(0) if len(plane) else np.zeros(2)
    return Arrow(
        codes=tuple(int(code) for code in codes),
        count=len(plane),
        mean=(float(mean[0]), float(mean[1])),
        covariance=tuple(tuple(row) for row in spread.tolist()),  # type: ignore[arg-type]
    )
