"""The transformer inside the published latent action model; tokens in, tokens out.

It is the one of C-ViViT (Villegas et al. 2022, arXiv 2210.02399) as LAPA's code has it. What one
would not guess, and what trained weights depend on:

- Queries come from the normalised tokens, the keys and values of self-attention from the raw ones.
- Self-attention owns a second norm that nothing passes through; it is kept for its parameters.
- The convolution pads time in front only, so it is causal, but the attention is not.
- In the temporal stack tokens lie as ``[h, w, t]`` while the convolution reads them as
  ``[t, h, w]``: it mixes tokens that are no neighbours in the frame.
- Norms have a trained gain and a bias that stays 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Grid = tuple[int, int, int, int]
"""Frames and patches, ``(b, t, h, w)``, that a sequence of tokens is read as."""

NULLS = 2
SIMILARITY_SCALE = 8.0


def gain_norm(d: int) -> nn.LayerNorm:
    """Layer norm whose bias is never trained."""
    norm = nn.LayerNorm(d)
    norm.bias.requires_grad_(False)
    return norm


class PositionBias(nn.Module):
    """Attention bias ``[heads, h * w, h * w]``: an MLP of how far apart two patches lie.

    Offsets are signed logarithms, ``sign(x) log(1 + |x|)`` (Liu et al. 2021, arXiv 2111.09883,
    section 3.3).
    """

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2, d), nn.LeakyReLU(0.1),
            nn.Linear(d, d), nn.LeakyReLU(0.1),
            nn.Linear(d, heads),
        )  # fmt: skip

    def forward(self, height: int, width: int) -> Tensor:
        like = next(self.parameters())
        rows, columns = (torch.arange(side, device=like.device) for side in (height, width))
        place = torch.cartesian_prod(rows, columns).to(like.dtype)  # [h * w, 2]
        offset = place[:, None] - place  # [h * w, h * w, 2]
        bias: Tensor = self.mlp(offset.sign() * (offset.abs() + 1).log())
        return bias.permute(2, 0, 1)


class PositionConvolution(nn.Module):
    """Depthwise 3 x 3 x 3 convolution that tells tokens where they are (arXiv 2102.10882)."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(d, d, 3, groups=d)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Tokens whose order is read as `grid`, whatever their own two axes are."""
        volume = x.reshape(*grid, x.shape[-1]).movedim(-1, 1)  # [b, d, t, h, w]
        padded = F.pad(volume, (1, 1, 1, 1, 2, 0))
        mixed: Tensor = self.convolution(padded)
        return mixed.movedim(1, -1).reshape(x.shape)


class CosineAttention(nn.Module):
    """Attention by cosine similarity, of `x` over `memory` or over itself.

    ``softmax(8 (a q / |q|) . (c k / |k|) + bias) v`` with trained gains ``a`` and ``c``. Attention
    over a memory has `NULLS` more keys and values, learned per head.
    """

    def __init__(self, d: int, heads: int, head_dim: int, nulls: int = 0) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_dim
        self.norm = gain_norm(d)
        self.memory_norm = gain_norm(d)
        # Keys and values take turns along the second axis.
        self.null = nn.Parameter(torch.randn(heads, 2 * nulls, head_dim)) if nulls else None
        self.query = nn.Linear(d, inner, bias=False)
        self.key_value = nn.Linear(d, 2 * inner, bias=False)
        self.query_gain = nn.Parameter(torch.ones(head_dim))
        self.key_gain = nn.Parameter(torch.ones(head_dim))
        self.out = nn.Linear(inner, d, bias=False)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """``[b, t, d]`` of the same `x`, `memory` ``[b, m, d]`` and `bias` ``[heads, t, m]``."""
        attended = x if memory is None else self.memory_norm(memory)
        query = self._split(self.query(self.norm(x)))  # [b, heads, t, head_dim]
        key, value = map(self._split, self.key_value(attended).chunk(2, dim=-1))
        if self.null is not None:
            null = self.null.expand(len(x), -1, -1, -1)
            key = torch.cat([null[:, :, 0::2], key], dim=2)
            value = torch.cat([null[:, :, 1::2], value], dim=2)
        mixed = F.scaled_dot_product_attention(
            F.normalize(query, dim=-1) * self.query_gain,
            F.normalize(key, dim=-1) * self.key_gain,
            value,
            attn_mask=None if bias is None else bias[None],
            scale=SIMILARITY_SCALE,
        )
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """``[b, t, heads * head_dim] -> [b, heads, t, head_dim]``."""
        b, t, inner = x.shape
        return x.view(b, t, self.heads, inner // self.heads).transpose(1, 2)


class GatedFeedForward(nn.Module):
    """GEGLU (Shazeer 2020, arXiv 2002.05202): two thirds of four times the width, gated."""

    def __init__(self, d: int) -> None:
        super().__init__()
        inner = int(4 * (2 / 3) * d)
        self.norm = nn.LayerNorm(d)
        self.widen = nn.Linear(d, 2 * inner, bias=False)
        self.narrow = nn.Linear(inner, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.widen(self.norm(x)).chunk(2, dim=-1)
        out: Tensor = self.narrow(F.gelu(gate) * value)
        return out


class Layer(nn.Module):
    """Convolution, self-attention, attention over a memory where there is one, feed-forward."""

    def __init__(self, d: int, heads: int, head_dim: int, reads_memory: bool) -> None:
        super().__init__()
        self.position = PositionConvolution(d)
        self.attention = CosineAttention(d, heads, head_dim)
        self.memory_attention = CosineAttention(d, heads, head_dim, NULLS) if reads_memory else None
        self.feed_forward = GatedFeedForward(d)

    def forward(self, x: Tensor, grid: Grid, bias: Tensor | None, memory: Tensor | None) -> Tensor:
        x = x + self.position(x, grid)
        x = x + self.attention(x, bias=bias)
        if self.memory_attention is not None:
            x = x + self.memory_attention(x, memory)
        return x + self.feed_forward(x)


class Transformer(nn.Module):
    """A stack of layers and a last norm."""

    def __init__(
        self, layers: int, d: int, heads: int, head_dim: int, reads_memory: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(d, heads, head_dim, reads_memory) for _ in range(layers))
        self.norm = gain_norm(d)

    def forward(
        self, x: Tensor, grid: Grid, bias: Tensor | None = None, memory: Tensor | None = None
    ) -> Tensor:
        """Tokens ``[sequences, tokens, d]``, read as `grid` by the convolutions."""
        for layer in self.layers:
            x = layer(x, grid, bias, memory)
        out: Tensor = self.norm(x)
        return out
