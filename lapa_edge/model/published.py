"""The latent action model as LAPA published it, so that its released weights label video.

Frame pair in, ``n`` codes and a prediction of the second frame out, by the very computation of
the published code (arXiv 2410.11758; the names of the weights are in `official_weights`). It
offers what `lapa_edge.model.latent_action` offers, so whatever uses one can use the other.

Flow: both frames' patches are mixed within each frame, then across the two; each frame's tokens
are pooled to ``n`` vectors; ``d = e2 - e1`` is quantized; the first frame's patches attend to the
codes and become the second frame's pixels. Kept as published, odd as it is:

- Both encodings see both frames (the temporal attention isn't causal), so ``e1`` holds part of
  what changed and ``d`` isn't a difference of two independent descriptions.
- The convolutions of the spatial stack run over both frames, and those of the temporal stack over
  a scrambled grid (see `published_blocks`).
- Pooling passes a ReLU, so ``e2 - e1`` isn't the pooled difference of the tokens.
- The codes are scrambled on their way to the decoder (see `published_quantizer`).
- The decoder draws the whole frame, not its change, from patch embeddings that its loss doesn't
  train, and attends to the codes without a position of theirs.

The loss is the plain mean squared error of pixels in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.errors import ConfigError
from lapa_edge.model.prediction import Prediction
from lapa_edge.model.published_blocks import PositionBias, Transformer
from lapa_edge.model.published_quantizer import (
    PublishedQuantizer,
    PublishedQuantizerConfig,
    check_pooling,
)
from lapa_edge.model.quantizer import Quantized
from lapa_edge.spec import FrameSpec


@dataclass(frozen=True)
class PublishedConfig:
    """Size of the published model; the defaults are those of the released weights."""

    image: int = 256
    """Side of the square frame, pixels."""
    patch: int = 32
    """Patch side, pixels."""
    d: int = 1024
    """Width of the transformers."""
    heads: int = 16
    """Attention heads."""
    head_dim: int = 64
    """Width of a head."""
    spatial_layers: int = 8
    """Encoder layers within each frame, and layers of the decoder."""
    temporal_layers: int = 8
    """Encoder layers across the two frames."""
    n: int = 4
    """Codes per latent action: 1, 2, 4, 16, 64 or 256, as the number of patches allows."""
    quantizer: PublishedQuantizerConfig = field(default_factory=PublishedQuantizerConfig)
    """The codebook."""

    def __post_init__(self) -> None:
        for name in ("image", "patch", "d", "heads", "head_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"expected at least 1, got {getattr(self, name)}")
        for name in ("spatial_layers", "temporal_layers"):
            if getattr(self, name) < 0:
                raise ConfigError(name, f"expected 0 or more, got {getattr(self, name)}")
        if self.image % self.patch:
            raise ConfigError("patch", f"expected a divisor of {self.image}, got {self.patch}")
        check_pooling(self.n, self.side)

    @property
    def side(self) -> int:
        """Patches a side."""
        return self.image // self.patch

    @property
    def height(self) -> int:
        """Frame height, pixels."""
        return self.image

    @property
    def width(self) -> int:
        """Frame width, pixels."""
        return self.image

    @property
    def frame(self) -> FrameSpec:
        """RGB in [0, 1] and nothing more, squeezed to a square whatever the camera's shape.

        The published resize is Pillow's bilinear one with antialiasing. Deviation: ours is the
        native kernel's, which halves first: on natural images about one of 255 levels away.
        """
        return FrameSpec(
            height=self.image, width=self.image, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        )


class PublishedModel(nn.Module):
    """Frame pair to codes and a prediction of the second frame; frames are as `config.frame`."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.config = config
        pixels = 3 * config.patch**2
        size = (config.d, config.heads, config.head_dim)
        self.embed = nn.Sequential(
            nn.LayerNorm(pixels), nn.Linear(pixels, config.d), nn.LayerNorm(config.d)
        )
        self.position_bias = PositionBias(config.d, config.heads)
        self.spatial = Transformer(config.spatial_layers, *size)
        self.temporal = Transformer(config.temporal_layers, *size)
        self.quantizer = PublishedQuantizer(config.quantizer, config.d, config.n, config.side)
        self.decoder = Transformer(config.spatial_layers, *size, reads_memory=True)
        self.to_pixels = nn.Linear(config.d, pixels)

    def encode(self, first: Tensor, second: Tensor) -> Tensor:
        """Pre-quantization latents ``d = e2 - e1``, ``[b, n, d]``, of pairs ``[b, 3, h, w]``."""
        b, side = len(first), self.config.side
        grid = (b, 2, side, side)
        x = self._embed(torch.stack([first, second], dim=1).flatten(0, 1))  # [2b, side * side, d]
        x = self.spatial(x, grid, bias=self.position_bias(side, side))
        x = x.unflatten(0, (b, 2)).transpose(1, 2).flatten(0, 1)  # [b * side * side, 2, d]
        x = self.temporal(x, grid)
        x = x.unflatten(0, (b, side * side))
        return self.quantizer.encode(x[:, :, 1]) - self.quantizer.encode(x[:, :, 0])

    def decode(self, first: Tensor, vectors: Tensor) -> Tensor:
        """The second frame ``[b, 3, h, w]`` predicted from the first and code vectors."""
        side = self.config.side
        patches = self._embed(first).detach()
        x = self.decoder(
            patches,
            (len(first), 1, side, side),
            bias=self.position_bias(side, side),
            memory=self.quantizer.decode(vectors),
        )
        image: Tensor = self.to_pixels(x).transpose(1, 2).unflatten(2, (side, side))
        return F.pixel_shuffle(image, self.config.patch)

    def forward(self, first: Tensor, second: Tensor) -> Prediction:
        """Predicted second frame and the quantized latent action between the two.

        In training noise stands for the quantization error; in evaluation the codes are exact, as
        in the published ``inference`` (its ``forward`` adds the noise even then).
        """
        quantized: Quantized = self.quantizer(self.encode(first, second))
        return Prediction(self.decode(first, quantized.vectors), quantized)

    def _embed(self, image: Tensor) -> Tensor:
        """``[b, 3, h, w] -> [b, side * side, d]``, one linear map per patch."""
        patches = F.pixel_unshuffle(image, self.config.patch).flatten(2).transpose(1, 2)
        tokens: Tensor = self.embed(patches)
        return tokens
