"""What an offline evaluation found: sums by episode, and means whose intervals draw episodes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.evaluate.latents.estimate import Estimate, clip_weights, estimate
from lapa_edge.spec import PolicySpec

# A chunk is on course where it goes about as the demonstrator went: the success proxy.
COURSE_ANGLE_DEG = 30.0
COURSE_LENGTH = 2.0
ON_COURSE_MEANS = (
    f"share of the moments that move whose chunk ends within {COURSE_ANGLE_DEG:g} degrees of the "
    f"recorded way, between 1/{COURSE_LENGTH:g} and {COURSE_LENGTH:g} times as far, each action in "
    "units of its spread"
)

POLICY, STOP, MEAN, LAST = SUBJECTS = ("policy", "stop", "mean action", "last action")
Floats = NDArray[np.float64]


class OfflineEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over one episode's moments; an interval draws whole episodes anew.

    moments: steps that were judged. normalised: by subject, the absolute error of each horizon
    ``[p]``, over actions in units of their spread; physical: the same by action ``[a]``, in its
    own unit, over the horizons. cosine: by subject, the sum of the cosines between the chunk's
    displacement and the recorded one, over `moving` moments; on_course: how many of those go the
    recorded way (see `ON_COURSE_MEANS`), a proxy for success. codes: how many were `right` of
    `coded`, all of a sequence (`whole`) of `sequences`, and by the commonest code (`commonest`).
    """

    name: str
    instruction: str
    moments: int
    normalised: dict[str, list[float]]
    physical: dict[str, list[float]]
    cosine: dict[str, float]
    on_course: dict[str, int]
    moving: int
    right: int = 0
    coded: int = 0
    whole: int = 0
    sequences: int = 0
    commonest: int = 0
    unknown: list[str] = []


class Bounded(msgspec.Struct, frozen=True):
    """A number with its 95 % interval over episodes; None where there is none to tell."""

    value: float | None
    low: float | None
    high: float | None


class OfflineResult(msgspec.Struct, frozen=True, kw_only=True):
    """The report: by subject, error by horizon and by action, and where the chunk goes.

    cosine and on_course are None where no action is a displacement, or none moves.
    """

    episodes: int
    moments: int
    latency_s: float
    horizon_s: list[float]
    normalised: dict[str, list[Bounded]]
    normalised_mean: dict[str, Bounded]
    physical: dict[str, dict[str, Bounded]]
    units: dict[str, str]
    cosine: dict[str, Bounded]
    on_course: dict[str, Bounded]
    code_accuracy: Bounded | None
    sequence_accuracy: Bounded | None
    commonest_code: Bounded | None
    each: list[OfflineEpisode]


def summarise_offline(
    spec: PolicySpec, each: Sequence[OfflineEpisode], latency_s: float, seed: int = 0
) -> OfflineResult:
    """Means over moments, with intervals that draw episodes anew."""
    weights = clip_weights(len(each), seed)
    moments = np.array([e.moments for e in each], np.float64)

    def mean(sums: Sequence[float], counts: Sequence[float] | Floats = moments) -> Bounded:
        top, below = np.array(sums, np.float64), np.array(counts, np.float64)
        if not below.sum():
            return Bounded(None, None, None)
        with np.errstate(invalid="ignore"):
            return _bounded(estimate(lambda w: (w @ top) / (w @ below), weights))

    p, names = spec.action.chunk, spec.action.names
    coded, sequences = [e.coded for e in each], [e.sequences for e in each]
    told = sum(coded) > 0
    return OfflineResult(
        episodes=len(each),
        moments=int(moments.sum()),
        latency_s=latency_s,
        horizon_s=[h / spec.action.control_hz for h in range(p)],
        normalised={
            s: [mean([e.normalised[s][h] for e in each]) for h in range(p)] for s in SUBJECTS
        },
        normalised_mean={s: mean([sum(e.normalised[s]) / p for e in each]) for s in SUBJECTS},
        physical={
            s: {name: mean([e.physical[s][i] for e in each]) for i, name in enumerate(names)}
            for s in SUBJECTS
        },
        units=dict(zip(names, spec.action.units, strict=True)),
        cosine={s: mean([e.cosine[s] for e in each], [e.moving for e in each]) for s in SUBJECTS},
        on_course={
            s: mean([e.on_course[s] for e in each], [e.moving for e in each]) for s in SUBJECTS
        },
        code_accuracy=mean([e.right for e in each], coded) if told else None,
        sequence_accuracy=mean([e.whole for e in each], sequences) if told else None,
        commonest_code=mean([e.commonest for e in each], coded) if told else None,
        each=list(each),
    )


def _bounded(found: Estimate) -> Bounded:
    return Bounded(
        *(float(v) if np.isfinite(v) else None for v in (found.value, found.low, found.high))
    )
