"""Two sides' answers to the same observations: how far apart they are. Needs no torch.

Shapes come before values, and what is not finite is refused rather than measured. The names of what
is measured are those of `export.limits`.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import BundleError
from lapa_edge.export.answers import Answers
from lapa_edge.export.limits import BIN_TIE

Float32 = NDArray[np.float32]
ACTION_MEASURES = ("max_abs", "cosine_min", "relative_rms")


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A code the bundle chose differently; `margin` is PyTorch's best logit less its second."""

    observation: int
    position: int
    expected: int
    got: int
    margin: float


def check_comparable(thing: str, expected: Answers, got: Answers) -> None:
    """Raise `BundleError` for shapes that differ, then for NaN: neither has a limit."""
    pairs: dict[str, tuple[NDArray[np.generic], NDArray[np.generic]]] = {
        "codes": (expected.codes, got.codes),
        "context": (expected.context, got.context),
        **{f"{name} head": (expected.chunks["torch"], x) for name, x in got.chunks.items()},
    }
    if expected.image is not None and got.image is not None:
        pairs["image"] = expected.image, got.image
    for name, (wanted, found) in pairs.items():
        if wanted.shape != found.shape:
            raise BundleError(
                thing,
                f"{name}: expected {list(wanted.shape)}, got {list(found.shape)}",
                "its graphs are another run's; export it again",
            )
    for name, (wanted, found) in pairs.items():
        for side, values in (("the trained agent", wanted), ("the bundle", found)):
            if not np.isfinite(values).all():
                raise BundleError(
                    thing, f"{name}: {side} gives NaN or infinity", "train again, or from earlier"
                )


def compare_looks(expected: Answers, got: Answers, chained: bool = False) -> dict[str, float]:
    """Image, context and codes; the codes only of a policy that has any."""
    measured = {}
    if expected.image is not None and got.image is not None:
        measured["image_max_abs"] = max_abs(expected.image, got.image)
    measured["context_max_abs"] = max_abs(expected.context, got.context)
    if expected.codes.size:
        wrong = find_mismatches(expected, got, chained)
        measured["code_match_percent"] = 100 * (1 - len(wrong) / expected.codes.size)
        measured["mismatch_margin_max"] = max((x.margin for x in wrong), default=0.0)
    return measured


def find_mismatches(expected: Answers, got: Answers, chained: bool) -> list[Mismatch]:
    """Every code that differs; of codes that follow from one another, the first of each moment."""
    differ = expected.codes != got.codes  # [m, n]
    if chained:
        differ &= differ.cumsum(axis=1) == 1
    return [
        Mismatch(
            observation=int(i),
            position=int(j),
            expected=int(expected.codes[i, j]),
            got=int(got.codes[i, j]),
            margin=float(expected.margin[i, j]) if expected.margin is not None else 0.0,
        )
        for i, j in np.argwhere(differ)
    ]


def compare_head(expected: Answers, got: Answers, head: str) -> dict[str, float]:
    """One head's actions against PyTorch's, where both saw the same plan.

    Another plan rightly gives other actions: those moments are judged by their codes alone.
    """
    alike = (expected.codes == got.codes).all(axis=1)  # [m]
    wanted, found = expected.chunks["torch"][alike], got.chunks[head][alike]
    if expected.bin_margin is None:
        return compare_actions(wanted, found)
    # A chunk's number counts but where PyTorch's two best bins are as one, and either is right.
    clear = expected.bin_margin[alike] > BIN_TIE
    return compare_actions(
        np.hstack([expected.outputs["torch"][alike], np.where(clear, wanted, 0)]),
        np.hstack([got.outputs[head][alike], np.where(clear, found, 0)]),
    )


def compare_actions(expected: Float32, got: Float32) -> dict[str, float]:
    """`ACTION_MEASURES` of ``[m, p * a]``; NaN for no rows."""
    if not len(expected):
        return dict.fromkeys(ACTION_MEASURES, float("nan"))
    x, y = expected.astype(np.float64), got.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    # Two actions of zero agree; one of zero against another does not.
    both_zero = ~x.any(axis=1) & ~y.any(axis=1)
    cosine = np.where(both_zero, 1.0, (x * y).sum(axis=1) / np.maximum(norms, 1e-30))
    return {
        "max_abs": max_abs(expected, got),
        "cosine_min": float(cosine.min()),
        "relative_rms": float(np.sqrt(((x - y) ** 2).mean() / max((x**2).mean(), 1e-30))),
    }


def max_abs(expected: Float32, got: Float32) -> float:
    """The largest difference; 0 of nothing."""
    return float(np.abs(expected - got).max(initial=0.0))
