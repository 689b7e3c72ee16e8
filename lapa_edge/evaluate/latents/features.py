"""What a probe reads: the latents, their codes, and two controls that must do worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.evaluate.latent_codec import Encoded, Frames
from lapa_edge.evaluate.latents.sample import Indices, PairSample, batches

LATENTS, CODES = "latents", "codes"
FIRST_FRAME, SHUFFLED = "first frame only", "shuffled latents"

THUMBNAIL = 16  # pixels a side
FRAME_COMPONENTS, LATENT_COMPONENTS = 64, 256


@dataclass(frozen=True, eq=False)
class Features:
    """Numbers per pair, float32 [m, f]; wider ones are reduced by PCA on the training part."""

    values: NDArray[np.float32]
    components: int


def probe_features(
    encoded: Encoded, k: int, frames: Frames, sample: PairSample, seed: int = 0
) -> dict[str, Features]:
    """Features by name.

    Latents are taken before quantization; codes one-hot for each position; the first frame as
    a grey thumbnail, which shows where things are but not where they go; the shuffled latents are
    another pair's.
    """
    m = len(sample)
    latents = encoded.latents.reshape(m, -1)
    onehot = (encoded.codes[:, :, None] == np.arange(k)).astype(np.float32).reshape(m, -1)
    shuffled = latents[np.random.default_rng(seed).permutation(m)]
    return {
        LATENTS: Features(latents, LATENT_COMPONENTS),
        CODES: Features(onehot, LATENT_COMPONENTS),
        FIRST_FRAME: Features(_thumbnails(frames, sample.first), FRAME_COMPONENTS),
        SHUFFLED: Features(shuffled, LATENT_COMPONENTS),
    }


def _thumbnails(frames: Frames, index: Indices) -> NDArray[np.float32]:
    """Grey means over a grid of 16 x 16 cells (fewer in a smaller frame), float32 [m, cells]."""
    height, width = frames.shape[1:3]
    rows, columns = (
        np.linspace(0, size, min(size, THUMBNAIL) + 1).astype(int)[:-1] for size in (height, width)
    )
    cells = np.zeros((len(index), len(rows), len(columns)), np.float32)
    for part in batches(len(index)):
        grey = frames[index[part]].mean(axis=3, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=1), columns, axis=2)
        cells[part] = sums / np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return cells.reshape(len(index), -1)
