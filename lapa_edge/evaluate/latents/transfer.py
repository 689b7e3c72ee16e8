"""Does a code mean the same elsewhere? Codes read in one clip are applied to another's frame.

The frame that comes out is encoded against the one that went in. If that gives the codes back,
the decoder drew, in the new scene, a motion that the encoder knows by the same name. Both are
parts of one model and may agree on a mark that no eye sees, so look at the pictures as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapa_edge.errors import DataError
from lapa_edge.evaluate.latent_codec import Codes, Frames, LatentCodec
from lapa_edge.evaluate.latents.estimate import (
    Array,
    Estimate,
    clip_weights,
    estimate,
    sum_by_clip,
)
from lapa_edge.evaluate.latents.sample import Indices, PairSample, Tick, batches, no_tick


@dataclass(frozen=True)
class TransferResult:
    """Agreement of re-encoded codes, as shares in [0, 1].

    Attributes:
        pairs: how many codes were carried over.
        agreement: of single codes, in a frame of another clip.
        chance: what unrelated codes of the same frequencies would agree.
        sequence_agreement, sequence_chance: the same of whole sequences.
        own: agreement in the clip that the codes were read in; what is lost up to here is lost
            by decoding and encoding, not by the transfer.
    """

    pairs: int
    agreement: Estimate
    chance: float
    sequence_agreement: Estimate
    sequence_chance: float
    own: Estimate


def measure_transfer(
    codec: LatentCodec,
    frames: Frames,
    sample: PairSample,
    codes: Codes,
    seed: int = 0,
    most: int = 1000,
    tick: Tick = no_tick,
) -> TransferResult:
    """Carry the codes [m, n] of at most `most` pairs over to frames of other clips.

    Raises:
        DataError: there is one clip only.
    """
    partner = pairs_elsewhere(sample, seed)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(sample))[:most])
    given, clip = codes[chosen], sample.clip[chosen]
    there, own = np.zeros_like(given), np.zeros_like(given)
    for part in batches(len(chosen)):
        for result, source in ((there, partner), (own, np.arange(len(sample)))):
            start = frames[sample.first[source[chosen[part]]]]
            result[part] = codec.encode(start, codec.decode(start, given[part])).codes
        tick(len(given[part]))
    weights = clip_weights(len(sample.names), seed)

    def share(same: Array) -> Estimate:
        columns = np.stack([same, np.ones_like(same)], axis=1)
        sums = sum_by_clip(clip, columns, len(sample.names))
        return estimate(lambda w: (w @ sums)[:, 0] / (w @ sums)[:, 1], weights)

    n = codes.shape[1]
    return TransferResult(
        pairs=len(chosen),
        agreement=share((there == given).mean(1)),
        chance=float(np.mean([_chance(given[:, i], there[:, i]) for i in range(n)])),
        sequence_agreement=share((there == given).all(1).astype(np.float64)),
        sequence_chance=_chance(*_sequence_numbers(given, there)),
        own=share((own == given).mean(1)),
    )


def pairs_elsewhere(sample: PairSample, seed: int) -> Indices:
    """For each pair a random pair of another clip, int64 [m].

    Raises:
        DataError: there is one clip only.
    """
    if len(sample.names) < 2:
        raise DataError("code transfer", "expected pairs of two clips or more, got one clip")
    sizes = np.bincount(sample.clip)
    starts = np.cumsum(sizes) - sizes  # the sample lies clip by clip
    size, start = sizes[sample.clip], starts[sample.clip]
    drawn = np.random.default_rng(seed).integers(len(sample) - size)
    return np.asarray(drawn + np.where(drawn >= start, size, 0), dtype=np.int64)


def _sequence_numbers(a: Codes, b: Codes) -> tuple[Indices, Indices]:
    _, number = np.unique(np.concatenate([a, b]), axis=0, return_inverse=True)
    number = number.reshape(-1)  # numpy 2.0.0 keeps the axis
    return number[: len(a)], number[len(a) :]


def _chance(a: Indices | Codes, b: Indices | Codes) -> float:
    """How often a random entry of `a` equals a random entry of `b`."""
    size = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(x, minlength=size) / len(x) for x in (a, b)]
    return float(shares[0] @ shares[1])


def choose_transfers(
    sample: PairSample, codes: Codes, common: Codes, targets: int = 3, seed: int = 0
) -> list[tuple[int, list[int]]]:
    """Pairs to show, drawn at random: one for each of the `common` sequences [c, n].

    Returns:
        For each, a pair with that sequence, and up to `targets` pairs of other clips, each of a
        clip of its own. Empty where there is one clip only.
    """
    rng = np.random.default_rng(seed)
    clips = np.arange(len(sample.names))
    shown = []
    for sequence in common:
        source = int(rng.choice(np.flatnonzero((codes == sequence).all(1))))
        others = rng.permutation(clips[clips != sample.clip[source]])[:targets]
        shown.append((source, [int(rng.choice(np.flatnonzero(sample.clip == c))) for c in others]))
    return shown if len(clips) > 1 else []
