"""Does the decoder listen to the codes? Gain over copying the frame, and what shuffling costs.

    gain = 1 - mse(decoded, second) / mse(first, second)

Reconstruction alone proves little: a decoder may guess the usual motion from the frame. If other
pairs' codes serve as well as the right ones, they carry nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapa_edge.evaluate.latent_codec import Codes, Frames, LatentCodec
from lapa_edge.evaluate.latents.estimate import (
    Array,
    Estimate,
    clip_weights,
    estimate,
    sum_by_clip,
)
from lapa_edge.evaluate.latents.sample import PairSample, Tick, batches, no_tick


@dataclass(frozen=True)
class FidelityResult:
    """Errors are means over all pixels, with pixels in [0, 1]; decoded pixels are whole 255ths.

    Attributes:
        pairs, clips: what was measured.
        copy_mse: of the first frame in place of the second.
        gain: with the pair's own codes; 1 is perfect, 0 no better than the copy.
        shuffled_gain: with the codes of another pair.
        drop: gain - shuffled_gain; 0 where the decoder ignores the codes.
        unchanged: share of pairs that the shuffle happened to give the same codes.
    """

    pairs: int
    clips: int
    copy_mse: float
    gain: Estimate
    shuffled_gain: Estimate
    drop: Estimate
    unchanged: float


def measure_fidelity(
    codec: LatentCodec,
    frames: Frames,
    sample: PairSample,
    codes: Codes,
    seed: int = 0,
    tick: Tick = no_tick,
) -> FidelityResult:
    """Decode every pair's first frame with its codes [m, n], and once more with another pair's."""
    shuffled = codes[_others(len(sample), seed)]
    errors = np.zeros((len(sample), 3))  # of the copy, the own codes, the shuffled ones
    for part in batches(len(sample)):
        first, second = frames[sample.first[part]], frames[sample.second[part]]
        guesses = first, codec.decode(first, codes[part]), codec.decode(first, shuffled[part])
        errors[part] = np.stack([_squared_error(guess, second) for guess in guesses], axis=1)
        tick(len(first))
    clips = len(sample.names)
    sums = sum_by_clip(sample.clip, errors, clips)
    weights = clip_weights(clips, seed)

    def gain(weights: Array, guess: int) -> Array:
        total = weights @ sums  # [r, 3]
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing moved at all: NaN
            return np.asarray(1 - total[:, guess] / total[:, 0])

    return FidelityResult(
        pairs=len(sample),
        clips=clips,
        copy_mse=float(errors[:, 0].mean()),
        gain=estimate(lambda w: gain(w, 1), weights),
        shuffled_gain=estimate(lambda w: gain(w, 2), weights),
        drop=estimate(lambda w: gain(w, 1) - gain(w, 2), weights),
        unchanged=float((shuffled == codes).all(1).mean()),
    )


def _others(count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each pair another one, at random: no pair keeps its place."""
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, 1)
    return other


def _squared_error(guess: Frames, truth: Frames) -> Array:
    """Mean over each frame's pixels, float64 [b]."""
    difference = (guess.astype(np.float32) - truth.astype(np.float32)) / 255
    return np.asarray(np.square(difference).mean(axis=(1, 2, 3), dtype=np.float64))
