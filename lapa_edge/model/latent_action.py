"""Stage 1: what changed between two frames, said in ``n`` codes.

Encoder: both frames' patches are mixed within each frame, then across the two; ``d = e2 - e1`` is
pooled to ``n`` vectors and quantized. Decoder: the first frame's patches and the codes predict the
second frame. The codes are all the decoder learns of the second frame, so they must carry the
motion (LAPA, arXiv 2410.11758, section 3.1).

Deviations from the paper: a convolutional stem, attention pooling in place of strided
convolutions (any ``n`` works), and a decoder that predicts the *change* of the frame and has a
stem of its own, so that copying the still background costs it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lapa_edge.errors import ConfigError
from lapa_edge.model.blocks import Attention, Block, PatchStem, unpatch
from lapa_edge.model.prediction import Prediction
from lapa_edge.model.quantizer import Quantizer, QuantizerConfig


@dataclass(frozen=True)
class LatentActionConfig:
    """Size of the latent action model."""

    height: int = 96
    """Frame height, pixels."""
    width: int = 96
    """Frame width, pixels."""
    patch: int = 16
    """Patch side, pixels; a power of two."""
    d: int = 96
    """Width of the transformer."""
    heads: int = 3
    """Attention heads."""
    spatial_layers: int = 1
    """Encoder blocks within each frame."""
    temporal_layers: int = 2
    """Encoder blocks across the two frames."""
    decoder_layers: int = 1
    """Decoder blocks."""
    n: int = 4
    """Codes per latent action."""
    feature_dim: int = 0
    """Width of the frozen features of the second frame that a second head predicts; 0 for none."""
    action_dim: int = 0
    """Actions predicted from the latent by a joint linear head; 0 where no demos are at hand."""
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    """How latents become codes."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError("n", f"expected at least 1 code per latent action, got {self.n}")


class LatentActionModel(nn.Module):
    """Frame pair to codes and a prediction of the second frame; frames are normalised CHW."""

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        self.config = config
        size = (config.height, config.width, config.patch, config.d)
        self.encoder_stem = PatchStem(*size)
        self.spatial = nn.ModuleList(
            Block(config.d, config.heads) for _ in range(config.spatial_layers)
        )
        self.temporal = nn.ModuleList(
            Block(config.d, config.heads) for _ in range(config.temporal_layers)
        )
        self.frame_mark = nn.Parameter(0.02 * torch.randn(2, 1, config.d))
        self.pool_query = nn.Parameter(torch.randn(1, config.n, config.d))
        self.pool = Attention(config.d, config.heads)
        self.pool_norm = nn.LayerNorm(config.d)
        # A projection per position: one for all makes the codes of all positions alike.
        scale = config.d**-0.5
        self.to_latent = nn.Parameter(scale * torch.randn(config.n, config.d, config.quantizer.d))
        self.quantizer = Quantizer(config.quantizer)
        self.decoder_stem = PatchStem(*size)
        self.from_code = nn.Linear(config.quantizer.d, config.d)
        self.code_position = nn.Parameter(0.02 * torch.randn(1, config.n, config.d))
        self.decoder = nn.ModuleList(
            Block(config.d, config.heads) for _ in range(config.decoder_layers)
        )
        flat = config.n * config.quantizer.d
        self.to_action = nn.Linear(flat, config.action_dim) if config.action_dim else None
        self.to_features = nn.Linear(config.d, config.feature_dim) if config.feature_dim else None
        self.to_pixels = nn.Sequential(
            nn.LayerNorm(config.d), nn.Linear(config.d, 3 * config.patch**2)
        )

    def describe(self, frames: Tensor) -> Tensor:
        """Patches of each frame on its own, ``[b, 3, h, w] -> [b, tokens, d]``."""
        tokens: Tensor = self.encoder_stem(frames)
        for block in self.spatial:
            tokens = block(tokens)
        return tokens

    def encode(self, first: Tensor, second: Tensor) -> Tensor:
        """Pre-quantization latents ``[b, n, d]`` of frame pairs ``[b, 3, h, w]``."""
        b = len(first)
        tokens = self.describe(torch.cat([first, second]))
        x = torch.cat([tokens[:b] + self.frame_mark[0], tokens[b:] + self.frame_mark[1]], dim=1)
        for block in self.temporal:
            x = block(x)
        e1, e2 = x.chunk(2, dim=1)
        pooled = self.pool(self.pool_query.expand(b, -1, -1), e2 - e1)  # [b, n, d]
        latents = torch.einsum("bnd,ndq->bnq", self.pool_norm(pooled), self.to_latent)
        return self.quantizer.bound(latents)

    def decode(self, first: Tensor, vectors: Tensor) -> Tensor:
        """The second frame ``[b, 3, h, w]`` predicted from the first and code vectors."""
        return first + self._unpatch(self.to_pixels(self._later_tokens(first, vectors)))

    def _later_tokens(self, first: Tensor, vectors: Tensor) -> Tensor:
        """What the decoder knows of each patch of the second frame, ``[b, tokens, d]``."""
        x = self.decoder_stem(first)
        tokens = x.shape[1]
        x = torch.cat([x, self.from_code(vectors) + self.code_position], dim=1)
        for block in self.decoder:
            x = block(x)
        return x[:, :tokens]

    def forward(
        self, first: Tensor, second: Tensor, labelled: tuple[Tensor, Tensor] | None = None
    ) -> Prediction:
        """The second frame and the latent action between the two, as a training step wants them.

        Args:
            first, second: ``[b, 3, h, w]``.
            labelled: a second batch of pairs, for which the joint head predicts actions.
        """
        quantized = self.quantizer(self.encode(first, second))
        tokens = self._later_tokens(first, quantized.vectors)
        return Prediction(
            frame=first + self._unpatch(self.to_pixels(tokens)),
            quantized=quantized,
            features=self.to_features(tokens) if self.to_features else None,
            actions=self._predict_actions(*labelled) if labelled else None,
        )

    def read_actions(self, first: Tensor, second: Tensor) -> Tensor:
        """The joint head's actions ``[b, a]`` from latents before quantization."""
        assert self.to_action is not None
        actions: Tensor = self.to_action(self.encode(first, second).flatten(1))
        return actions

    def _predict_actions(self, first: Tensor, second: Tensor) -> Tensor:
        """``[2, m, a]`` from the latents and, straight through, from their codes.

        Through the codes' gradient they too learn to tell actions apart.
        """
        assert self.to_action is not None
        latents = self.encode(first, second)
        chosen = self.quantizer.codebook[self.quantizer.nearest(latents)]
        both = torch.stack([latents, latents + (chosen - latents).detach()])
        actions: Tensor = self.to_action(both.flatten(2))
        return actions

    def _unpatch(self, patches: Tensor) -> Tensor:
        c = self.config
        return unpatch(patches, c.height, c.width, c.patch)
