"""The frame pairs that every number of an inspection is taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.latent_codec import Encoded, Frames, LatentCodec

BATCH = 256  # frames in memory at a time

Indices = NDArray[np.int64]
Tick = Callable[[int], None]  # called with the pairs that were done since the last call


def no_tick(_: int) -> None:
    """For callers that show no progress."""


@dataclass(frozen=True, eq=False)
class PairSample:
    """Frame pairs, all exactly one gap apart, in the order of the store.

    Attributes:
        first, second: int64 [m], indices into ``store.all``.
        clip: int64 [m], which of `names` each pair is of.
        names: the clips that have a pair in the sample.
        available: how many pairs of that gap the data holds.
    """

    first: Indices
    second: Indices
    clip: Indices
    names: tuple[str, ...]
    available: int

    def __len__(self) -> int:
        return len(self.first)


def draw_pairs(
    store: FrameStore, fps: Mapping[str, float], gap_s: float, count: int, seed: int = 0
) -> PairSample:
    """Draw `count` pairs, each at most once; all there are where the data holds fewer.

    Raises:
        ConfigError: `count` is below 2, which leaves nothing to compare.
        DataError: no clip is as long as the gap.
    """
    if count < 2:
        raise ConfigError("pairs", f"expected at least 2, got {count}")
    first, second = FramePairs(store, (gap_s,), fps, truncate=False).all_pairs(gap_s)
    available = len(first)
    if available > count:
        chosen = np.random.default_rng(seed).choice(available, count, replace=False)
        chosen.sort()
        first, second = first[chosen], second[chosen]
    starts = np.array([store.offset(name) for name in store.names])
    # An empty clip starts where the next one does; side="right" then names the later, full one.
    there, clip = np.unique(np.searchsorted(starts, first, side="right") - 1, return_inverse=True)
    names = tuple(store.names[i] for i in there)
    return PairSample(first, second, clip.astype(np.int64), names, available)


def encode_pairs(
    codec: LatentCodec, frames: Frames, sample: PairSample, tick: Tick = no_tick
) -> Encoded:
    """Latent actions of the sample, out of `frames` [total, h, w, 3]."""
    parts = []
    for part in batches(len(sample)):
        parts.append(codec.encode(frames[sample.first[part]], frames[sample.second[part]]))
        tick(len(parts[-1].codes))
    return Encoded(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.latents for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )


def batches(count: int) -> list[slice]:
    """Slices of at most `BATCH` that cover `count` rows."""
    return [slice(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
