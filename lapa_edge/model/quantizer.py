"""Vectors to codes: the bottleneck that turns a difference of frames into a latent action.

Three quantizers behind one codebook ``[k, d]`` and one rule, the nearest code:

    ema   an averaged codebook, straight-through gradient (van den Oord et al. 2017, appendix A.1)
    nsvq  the error replaced by noise of its length (Vali & Backstrom 2022), the paper's
    fsq   a fixed grid, nothing to collapse (Mentzer et al. 2023, arXiv 2309.15505)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.errors import ConfigError
from lapa_edge.model.processes import from_first_process, sum_over_processes

QuantizerKind = Literal["ema", "nsvq", "fsq"]

# FSQ: levels per dimension by codebook size; powers of two, so that k is exact.
FSQ_LEVELS = {
    8: (2, 2, 2),
    16: (4, 4),
    32: (4, 4, 2),
    64: (8, 8),
    128: (8, 4, 4),
    256: (4, 4, 4, 4),
    512: (8, 8, 8),
    1024: (4, 4, 4, 4, 4),
}
DEFAULT_D = 32


@dataclass(frozen=True)
class QuantizerConfig:
    """How latents become codes."""

    kind: QuantizerKind = "ema"
    """ema: averaged codebook; nsvq: the paper's noise substitution; fsq: a fixed grid."""
    k: int = 8
    """Codebook size."""
    d: int = 0
    """Width of a code; 0 takes 32, or with fsq the number of its levels."""
    decay: float = 0.99
    """EMA: share of the old codebook kept per step."""
    commitment: float = 0.25
    """EMA: weight of the loss that pulls latents to their codes."""
    start_after: int = 200
    """Training steps in which latents pass unquantized, before encodings become the codebook: a
    decoder that never used its latents would hear nothing but noise from codes."""
    bypass: float = 0.0
    """Share of the samples, [0, 1), whose latents pass unquantized in training."""
    restart_every: int = 20
    """Steps between looks for dead codes."""
    restart_share: float = 0.1
    """A code used by less than this share of its fair part (1 / k) of the hits is dead."""

    def __post_init__(self) -> None:
        fixed = len(self.levels) if self.kind == "fsq" else 0
        if self.d == 0:
            object.__setattr__(self, "d", fixed or DEFAULT_D)
        if self.k < 2 or self.d < 1:
            raise ConfigError("codebook", f"expected k >= 2 and d >= 1, got {self.k} and {self.d}")
        if fixed and self.d != fixed:
            raise ConfigError("d", f"fsq of {self.k} codes has {fixed} dimensions, got {self.d}")
        if not 0 <= self.bypass < 1:
            raise ConfigError("bypass", f"expected 0 to below 1, got {self.bypass}")
        if self.restart_every < 1:
            raise ConfigError("restart_every", f"expected at least 1, got {self.restart_every}")

    @property
    def levels(self) -> tuple[int, ...]:
        """FSQ: grid points per dimension; their product is ``k``.

        Raises:
            ConfigError: no grid of ``k`` points is known.
        """
        if self.k not in FSQ_LEVELS:
            known = ", ".join(map(str, FSQ_LEVELS))
            raise ConfigError("k", f"expected one of {known} with fsq, got {self.k}")
        return FSQ_LEVELS[self.k]


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
    Counters and codebook are the same on every process of a training: hits and sums are added up
    over all of them, and what is drawn is drawn by the first.
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
            rows = fsq_grid(config.levels) if config.kind == "fsq" else torch.randn(k, d)
            self.register_buffer("codebook", rows)
        self.register_buffer("hits", torch.zeros(k))  # since the last look for dead codes
        self.register_buffer("mass", torch.ones(k))  # EMA of hits per code
        self.register_buffer("total", torch.zeros(k, d))  # EMA of the sum of latents per code
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def bound(self, latents: Tensor) -> Tensor:
        """Latents as the quantizer compares them: with fsq squeezed into the grid, else as is.

        Deviation from the FSQ paper: levels lie evenly in [-1, 1] for even counts as well.
        """
        return latents.tanh() if self.config.kind == "fsq" else latents

    def forward(self, latents: Tensor) -> Quantized:
        """Quantize bounded latents ``[b, n, d]``; in training, learn the codebook too."""
        step, learns = int(self.step), self.training and self.config.kind != "fsq"
        if self.training:
            self.step += 1
        if learns and step == self.config.start_after:
            self._start_from(latents.detach())
        codes, loss = self.nearest(latents), latents.new_zeros(())
        if self.training and step < self.config.start_after:
            return Quantized(latents, codes, loss)
        chosen = self.codebook[codes]  # [b, n, d]
        if self.config.kind == "nsvq":
            vectors = self._substitute_noise(latents, chosen)
        else:
            vectors = latents + (chosen - latents).detach()
        if self.config.kind == "ema":
            loss = self.config.commitment * F.mse_loss(latents, chosen.detach())
        if self.training and self.config.bypass:
            passing = torch.rand(len(latents), 1, 1, device=latents.device) < self.config.bypass
            vectors = torch.where(passing, latents, vectors)
        if learns:
            self._update(latents.detach(), codes)
        return Quantized(vectors, codes, loss)

    def nearest(self, latents: Tensor) -> Tensor:
        """Codes ``[b, n]`` of latents ``[b, n, d]``: the nearest by direct ``sum((x - c)^2)``."""
        rows = latents.detach().flatten(0, 1).float()
        # The expanded form picks wrong codes where the codebook lies far from the origin.
        direct = "donot_use_mm_for_euclid_dist"
        distance = torch.cdist(rows, self.codebook.detach(), compute_mode=direct)
        return distance.argmin(-1).view(latents.shape[:-1])

    def _substitute_noise(self, latents: Tensor, chosen: Tensor) -> Tensor:
        """NSVQ: the quantization error replaced by noise of the same length, in training only."""
        if not self.training:
            return chosen
        noise = torch.randn_like(latents)
        error = (latents - chosen).norm(dim=-1, keepdim=True)
        return latents + noise * (error / noise.norm(dim=-1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def _start_from(self, latents: Tensor) -> None:
        """Distinct encodings of the batch become the codebook."""
        self.codebook.data.copy_(_draw(latents, self.config.k))
        self.total.copy_(self.codebook.detach())

    @torch.no_grad()
    def _update(self, latents: Tensor, codes: Tensor) -> None:
        rows = latents.flatten(0, 1).float()  # [b * n, d]
        one_hot = F.one_hot(codes.flatten(), self.config.k).to(rows.dtype)
        counts = sum_over_processes(one_hot.sum(0))
        self.hits += counts
        if self.config.kind == "ema":
            keep = self.config.decay
            sums = sum_over_processes(one_hot.T @ rows)
            self.mass.mul_(keep).add_(counts, alpha=1 - keep)
            self.total.mul_(keep).add_(sums, alpha=1 - keep)
            self.codebook.copy_(self.total / self.mass.clamp_min(1e-5)[:, None])
        if (self.step - self.config.start_after) % self.config.restart_every == 0:
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


def fsq_grid(levels: tuple[int, ...]) -> Tensor:
    """Every point of the grid ``[k, d]``, evenly spaced in [-1, 1] along each dimension."""
    axes = [torch.linspace(-1, 1, count) for count in levels]
    return torch.cartesian_prod(*axes).view(math.prod(levels), len(levels))


def _draw(latents: Tensor, count: int) -> Tensor:
    """`count` rows of the batch's encodings ``[b, n, d]``, distinct while there are enough."""
    rows = latents.flatten(0, -2).float()
    order = torch.randperm(len(rows), device=rows.device)
    return from_first_process(rows[order.repeat(-(-count // len(rows)))[:count]].contiguous())
