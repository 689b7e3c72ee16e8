"""The parts the networks share: a convolutional patch stem and pre-norm transformer blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PatchStem(nn.Module):
    """Image to patch tokens by stride-2 convolutions (Xiao et al. 2021, arXiv 2106.14881).

    A convolutional stem learns faster from little data than one linear patch projection.
    ``[b, 3, h, w] -> [b, (h / patch) * (w / patch), d]`` with learned positions added.
    """

    def __init__(self, height: int, width: int, patch: int, d: int) -> None:
        super().__init__()
        depth = int(math.log2(patch))
        if 2**depth != patch or height % patch or width % patch:
            raise ValueError(
                f"patch: expected a power of two dividing {height} x {width}, got {patch}"
            )
        widths = [3, *(max(16, d >> (depth - 1 - i)) for i in range(depth - 1)), d]
        layers: list[nn.Module] = []
        for i in range(depth):
            layers.append(nn.Conv2d(widths[i], widths[i + 1], 3, stride=2, padding=1))
            if i < depth - 1:
                layers += [nn.GroupNorm(1, widths[i + 1]), nn.GELU()]
        self.convolutions = nn.Sequential(*layers)
        tokens = (height // patch) * (width // patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens, d))

    def forward(self, image: Tensor) -> Tensor:
        features = self.convolutions(image).flatten(2).transpose(1, 2)  # [b, tokens, d]
        return features + self.position


class Attention(nn.Module):
    """Multi-head attention of `x` over `memory` (over itself where none is given)."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(d, d, bias=False)
        self.key_value = nn.Linear(d, 2 * d, bias=False)
        self.out = nn.Linear(d, d)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        b, t, d = x.shape
        q = self.query(x).view(b, t, self.heads, -1).transpose(1, 2)  # [b, heads, t, d / heads]
        k, v = (
            part.view(b, memory.shape[1], self.heads, -1).transpose(1, 2)
            for part in self.key_value(memory).chunk(2, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    """Pre-norm transformer block; attends to `memory` in place of itself where it is given."""

    def __init__(self, d: int, heads: int, expansion: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.attention = Attention(d, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(d), nn.Linear(d, expansion * d), nn.GELU(), nn.Linear(expansion * d, d)
        )

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        normed = self.norm(x)
        x = x + self.attention(normed, normed if memory is None else memory)
        return x + self.feed_forward(x)


def unpatch(patches: Tensor, height: int, width: int, patch: int) -> Tensor:
    """``[b, rows * columns, 3 * patch * patch] -> [b, 3, h, w]``."""
    rows, columns = height // patch, width // patch
    x = patches.view(-1, rows, columns, 3, patch, patch)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, height, width)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
