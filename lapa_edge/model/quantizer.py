"""Vectors to codes: the bottleneck that turns a difference of frames into a latent action.

Two estimators of the gradient share one codebook and one cure for dead codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.errors import ConfigError


@dataclass(frozen=True)
class QuantizerConfig:
    """How latents become codes."""

    kind: Literal["ema", "nsvq"] = "ema"
    """ema: straight-through with an averaged codebook (van den Oord et al. 2017, appendix A.1);
    nsvq: noise substitution (Vali & Backstrom 2022), the paper's."""
    k: int = 8
    """Codebook size."""
    d: int = 32
    """Width of a code."""
    decay: float = 0.99
    """EMA: share of the old codebook kept per step."""
    commitment: float = 0.25
    """EMA: weight of the loss that pulls latents to their codes."""
    restart_every: int = 20
    """Steps between looks for dead codes."""
    restart_share: float = 0.1
    """A code used by less than this share of its fair part (1 / k) of the hits is dead."""

    def __post_init__(self) -> None:
        if self.k < 2 or self.d < 1:
            raise ConfigError("codebook", f"expected k >= 2 and d >= 1, got {self.k} and {self.d}")


@dataclass(frozen=True)
class Quantized:
    """Result of quantizing ``[b, n, d]`` latents."""

    vectors: Tensor  # [b, n, d], differentiable with respect to the latents
    codes: Tensor  # [b, n] int64
    loss: Tensor  # scalar


class Quantizer(nn.Module):
    """Nearest-neighbour quantizer over a codebook ``[k, d]`` shared by all ``n`` positions.

    Dead codes restart from encodings of the current batch, never from copies of live codes: two
    equal rows can never be told apart again. Hits are counted one by one, not once per batch.
    """

    codebook: Tensor
    hits: Tensor
    mass: Tensor
    total: Tensor
    step: Tensor

    def __init__(self, config: QuantizerConfig) -> None:
        super().__init__()
        self.config = config
        k, d = config.k, config.d
        if config.kind == "nsvq":
            self.codebook = nn.Parameter(torch.randn(k, d))
        else:
            self.register_buffer("codebook", torch.randn(k, d))
        self.register_buffer("hits", torch.zeros(k))  # since the last look for dead codes
        self.register_buffer("mass", torch.ones(k))  # EMA of hits per code
        self.register_buffer("total", torch.zeros(k, d))  # EMA of the sum of latents per code
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, latents: Tensor) -> Quantized:
        if self.training and self.step == 0:
            self._start_from(latents)
        codes = self.nearest(latents)
        chosen = self.codebook[codes]  # [b, n, d]
        if self.config.kind == "nsvq":
            vectors, loss = self._substitute_noise(latents, chosen), latents.new_zeros(())
        else:
            vectors = latents + (chosen - latents).detach()
            loss = self.config.commitment * F.mse_loss(latents, chosen.detach())
        if self.training:
            self._update(latents.detach(), codes)
        return Quantized(vectors, codes, loss)

    def nearest(self, latents: Tensor) -> Tensor:
        """Codes ``[b, n]`` of latents ``[b, n, d]``: the nearest by direct ``sum((x - c)^2)``."""
        distance = (latents.detach()[..., None, :] - self.codebook.detach()).square().sum(-1)
        return distance.argmin(-1)

    def _substitute_noise(self, latents: Tensor, chosen: Tensor) -> Tensor:
        """NSVQ: the quantization error replaced by noise of the same length, in training only."""
        if not self.training:
            return chosen
        noise = torch.randn_like(latents)
        error = (latents - chosen).norm(dim=-1, keepdim=True)
        return latents + noise * (error / noise.norm(dim=-1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def _start_from(self, latents: Tensor) -> None:
        """First batch: distinct encodings become the codebook."""
        self.codebook.data.copy_(_draw(latents.detach(), self.config.k))
        self.total.copy_(self.codebook.detach())

    @torch.no_grad()
    def _update(self, latents: Tensor, codes: Tensor) -> None:
        one_hot = F.one_hot(codes.flatten(), self.config.k).to(latents.dtype)  # [b * n, k]
        counts = one_hot.sum(0)
        self.step += 1
        self.hits += counts
        if self.config.kind == "ema":
            keep = self.config.decay
            self.mass.mul_(keep).add_(counts, alpha=1 - keep)
            self.total.mul_(keep).add_(one_hot.T @ latents.flatten(0, 1), alpha=1 - keep)
            self.codebook.copy_(self.total / self.mass.clamp_min(1e-5)[:, None])
        if self.step % self.config.restart_every == 0:
            self._restart_dead(latents)

    def _restart_dead(self, latents: Tensor) -> None:
        fair = self.hits.sum() / self.config.k
        dead = self.hits < self.config.restart_share * fair
        if count := int(dead.sum()):
            fresh = _draw(latents, count)
            self.codebook.data[dead] = fresh
            self.mass[dead] = 1.0
            self.total[dead] = fresh
        self.hits.zero_()


def _draw(latents: Tensor, count: int) -> Tensor:
    """`count` rows of the batch's encodings ``[b, n, d]``, distinct while there are enough."""
    rows = latents.flatten(0, -2)
    order = torch.randperm(len(rows), device=rows.device)
    return rows[order.repeat(-(-count // len(rows)))[:count]]
