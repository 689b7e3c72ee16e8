"""A latent action model as analysis sees it: frames and codes in numpy, no torch in sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.spec import FrameSpec, LatentSpec

Frames = NDArray[np.uint8]  # [b, h, w, 3] RGB, of the codec's size
Codes = NDArray[np.int32]  # [b, n]


@dataclass(frozen=True)
class Encoded:
    """Latent actions of frame pairs.

    Attributes:
        codes: int32 [b, n].
        latents: float32 [b, n, d], before quantization.
        distance: float32 [b], mean L2 distance from the latents to their codes.
    """

    codes: Codes
    latents: NDArray[np.float32]
    distance: NDArray[np.float32]


class LatentCodec(Protocol):
    """Frame pairs to codes, and a frame and codes to the frame that follows."""

    @property
    def latent(self) -> LatentSpec:
        """Codes per latent action, codebook size, width, and the gap it is read at."""

    @property
    def frame(self) -> FrameSpec:
        """The size of the frames."""

    def encode(self, first: Frames, second: Frames) -> Encoded:
        """Latent actions between `first` and `second`, both uint8 [b, h, w, 3]."""

    def decode(self, first: Frames, codes: Codes) -> Frames:
        """The later frames uint8 [b, h, w, 3] that the codes [b, n] make of `first`."""
