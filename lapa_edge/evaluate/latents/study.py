"""All the numbers of one latent action model on one dataset, without a page or a picture.

Each part is a plain function of its own file; this file says in which order they run, and keeps
the reason where the data does not allow one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.latent_codec import Encoded, LatentCodec
from lapa_edge.evaluate.latents.arrows import ArrowsResult, measure_arrows
from lapa_edge.evaluate.latents.features import probe_features
from lapa_edge.evaluate.latents.fidelity import FidelityResult, measure_fidelity
from lapa_edge.evaluate.latents.motion import Motion, true_motion
from lapa_edge.evaluate.latents.probe import KINDS, ProbeResult, probe_motion
from lapa_edge.evaluate.latents.sample import PairSample, Tick, draw_pairs, encode_pairs
from lapa_edge.evaluate.latents.transfer import TransferResult, measure_transfer
from lapa_edge.evaluate.latents.usage import (
    CommonSequences,
    UsageResult,
    common_sequences,
    measure_usage,
)
from lapa_edge.spec import LatentSpec

Part = TypeVar("Part")
Follow = Callable[[str, int], Tick]  # (what, how many) -> what to tick

NO_STEPS = "the data holds no actions for these clips"


@dataclass(frozen=True)
class StudySettings:
    """How thorough a study is."""

    pairs: int = 4000
    """Frame pairs to draw."""
    seed: int = 0
    """Of the pairs, the shuffles, the splits and the bootstrap."""
    splits: int = 3
    """Splits by episode for the probes."""
    transfers: int = 1000
    """Codes to carry over to other clips, at most."""
    top: int = 8
    """How many of the commonest code sequences are shown."""

    def __post_init__(self) -> None:
        least = {"pairs": 2, "seed": 0, "splits": 1, "transfers": 1, "top": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(name, f"expected at least {low}, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Material:
    """What the numbers and pictures are made of: pairs, their latents, their true motion."""

    codec: LatentCodec
    store: FrameStore
    sample: PairSample
    encoded: Encoded
    motion: Motion | None


@dataclass(frozen=True)
class Study:
    """The numbers; a part that the data does not allow is None, its reason in `missing`."""

    latent: LatentSpec
    settings: StudySettings
    pairs: int
    available: int
    clips: int
    usage: UsageResult
    sequences: tuple[tuple[tuple[int, ...], float], ...]
    fidelity: FidelityResult
    arrows: ArrowsResult | None
    probe: ProbeResult | None
    transfer: TransferResult | None
    missing: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def follow_nothing(_what: str, _total: int) -> Tick:
    """For callers that show no progress."""
    return lambda _: None


def gather(
    codec: LatentCodec,
    dataset: Dataset,
    store: FrameStore,
    settings: StudySettings,
    follow: Follow = follow_nothing,
) -> Material:
    """Draw the pairs, at the model's labelling gap, and encode them."""
    sample = draw_pairs(store, dataset.fps, codec.latent.gap_s, settings.pairs, settings.seed)
    encoded = encode_pairs(codec, store.all, sample, follow("encode pairs", len(sample)))
    return Material(codec, store, sample, encoded, true_motion(dataset, store, sample))


def study(material: Material, settings: StudySettings, follow: Follow = follow_nothing) -> Study:
    """Every number that the material allows."""
    codec, sample, encoded = material.codec, material.sample, material.encoded
    codes, frames, seed = encoded.codes, material.store.all, settings.seed
    motion = material.motion
    k, m = codec.latent.k, len(sample)
    missing: dict[str, str] = {}
    seconds: dict[str, float] = {}

    def attempt(name: str, part: Callable[[], Part]) -> Part | None:
        started = time.monotonic()
        try:
            return part()
        except DataError as reason:
            missing[name] = str(reason)
            return None
        finally:
            seconds[name] = round(time.monotonic() - started, 2)

    def probe(known: Motion) -> ProbeResult:
        features = probe_features(encoded, k, frames, sample, seed)
        tick = follow("probe motion", len(features) * settings.splits * len(KINDS))
        return probe_motion(
            features, known, sample.clip, splits=settings.splits, seed=seed, tick=tick
        )

    def transfer() -> TransferResult:
        tick = follow("transfer codes", min(m, settings.transfers))
        return measure_transfer(codec, frames, sample, codes, seed, settings.transfers, tick)

    common = common_sequences(codes, settings.top)
    started = time.monotonic()
    fidelity = measure_fidelity(codec, frames, sample, codes, seed, follow("decode pairs", m))
    seconds["fidelity"] = round(time.monotonic() - started, 2)
    arrows, probed = None, None
    if motion is None:
        missing |= {"arrows": NO_STEPS, "probe": NO_STEPS}
    else:
        known = motion
        arrows = attempt("arrows", lambda: measure_arrows(codes, known, common))
        probed = attempt("probe", lambda: probe(known))
    return Study(
        latent=codec.latent,
        settings=settings,
        pairs=m,
        available=sample.available,
        clips=len(sample.names),
        usage=measure_usage(codes, k, sample.clip, sample.names),
        sequences=_named(common),
        fidelity=fidelity,
        arrows=arrows,
        probe=probed,
        transfer=attempt("transfer", transfer),
        missing=missing,
        seconds=seconds,
    )


def _named(common: CommonSequences) -> tuple[tuple[tuple[int, ...], float], ...]:
    rows = [tuple(row) for row in common.codes.tolist()]
    return tuple(zip(rows, common.shares, strict=True))
