"""Stage 2: frame and instruction to codes, and a context vector for the action head.

The slow half of the two rates: it looks at the camera at 5-30 Hz and says *what* to do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lapa_edge.model.blocks import Block, PatchStem


@dataclass(frozen=True)
class PolicyConfig:
    """Size of the latent policy."""

    height: int = 96
    """Frame height, pixels."""
    width: int = 96
    """Frame width, pixels."""
    patch: int = 16
    """Patch side, pixels; a power of two."""
    d: int = 128
    """Width of the trunk."""
    heads: int = 4
    """Attention heads."""
    layers: int = 3
    """Trunk blocks."""
    text_dim: int = 64
    """Width of the instruction's embedding."""
    text: str = "trained"
    """What reads the instruction: trained with the policy, or a frozen sentence encoder, given by
    its folder or by the package that holds it."""
    context_dim: int = 128
    """Width of the context vector handed to the action head; ``n * d`` of the latent space."""


class LatentPolicy(nn.Module):
    """Frame ``[b, 3, h, w]`` and text ``[b, text_dim]`` to code logits and context.

    ``n`` learned queries read one code each, all in one pass; one more reads the context. Stage 2
    teaches the context to be the latent *before* quantization: what the codes round away serves
    an action head best (LAOM, arXiv 2502.00379). With ``n = 0`` there is no plan, only the
    context: the network that the Scratch baseline trains.
    """

    def __init__(self, config: PolicyConfig, n: int, k: int) -> None:
        super().__init__()
        self.config, self.n = config, n
        self.stem = PatchStem(config.height, config.width, config.patch, config.d)
        self.from_text = nn.Linear(config.text_dim, config.d)
        self.query = nn.Parameter(0.02 * torch.randn(1, n + 1, config.d))
        self.trunk = nn.ModuleList(Block(config.d, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.d)
        self.to_logits = nn.Linear(config.d, k)
        self.to_context = nn.Sequential(
            nn.Linear(config.d, config.d), nn.GELU(), nn.Linear(config.d, config.context_dim)
        )

    def forward(self, frame: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Code logits ``[b, n, k]`` and context ``[b, context_dim]``."""
        words = self.from_text(text)[:, None]  # [b, 1, d]
        # The words are added to every token: the trunk is shallow, and need not route them.
        x = torch.cat([self.stem(frame), self.query.expand(len(frame), -1, -1)], dim=1) + words
        for block in self.trunk:
            x = block(x)
        read = self.norm(x[:, -(self.n + 1) :])  # [b, n + 1, d]
        return self.to_logits(read[:, : self.n]), self.to_context(read[:, self.n])
