"""The published bottleneck: patch tokens of two frames to ``n`` codes, and back to ``n`` tokens.

NSVQ (Vali & Backstrom 2022) as LAPA's code has it, with its cure for dead codes, which is where
its trainings collapse. Faithful, not recommended: `lapa_edge.model.quantizer` is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lapa_edge.errors import ConfigError
from lapa_edge.model.processes import from_first_process
from lapa_edge.model.quantizer import Quantized

EPSILON = 1e-12
DEAD_BELOW = 0.1  # batches in which a code occurred, per sample of a batch

# Kernel, stride and padding of the convolutions that pool a square of patches to n vectors.
_HALVE = (3, 2, 1)
_POOLING: dict[int, tuple[tuple[int | tuple[int, int], int, int], ...]] = {
    1: (_HALVE, (4, 1, 0)),
    2: (_HALVE, ((3, 4), 1, 0)),
    4: (_HALVE, (3, 1, 0)),
    16: (_HALVE, _HALVE),
    64: (_HALVE,),
    256: (_HALVE,),
}
# Patches a side that those convolutions pool to exactly n.
_SIDES = {1: (7, 8), 2: (7, 8), 4: (7, 8), 16: (13, 14, 15, 16), 64: (15, 16), 256: (31, 32)}


@dataclass(frozen=True)
class PublishedQuantizerConfig:
    """Size of the codebook."""

    k: int = 8
    """Codebook size."""
    d: int = 32
    """Width of a code."""

    def __post_init__(self) -> None:
        if self.k < 2 or self.d < 1:
            raise ConfigError("codebook", f"expected k >= 2 and d >= 1, got {self.k} and {self.d}")


def check_pooling(n: int, side: int) -> None:
    """Raise `ConfigError` where a square of `side` patches isn't pooled to `n` codes."""
    if n not in _POOLING:
        known = ", ".join(map(str, _POOLING))
        raise ConfigError("n", f"expected one of {known} in the published model, got {n}")
    if side not in _SIDES[n]:
        raise ConfigError(
            "image",
            f"expected {_SIDES[n][0]} to {_SIDES[n][-1]} patches a side for {n} codes, got {side}",
            "choose another image or patch size",
        )


class PublishedQuantizer(nn.Module):
    """Strided convolutions, the nearest of ``k`` codes, and noise in place of the error.

    In training ``d + (|d - z| / |v| + 1e-12) v`` with ``v ~ N(0, I)`` stands for the latent ``d``
    with nearest code ``z``; nothing is added to the loss, and the codebook ``[k, d]`` learns
    through ``|d - z|`` alone. In evaluation the code itself stands for it.

    The published look for dead codes, followed to the letter by `_replace_dead`:

    - A code counts once per batch, however many of the ``b * n`` latents it won; the count is
      compared to a tenth of the *batch size*. At batch 64 a code is dead unless 7 of the last 10
      batches held it; past batch 110 no code is live in the first 100 steps.
    - Dead rows become live rows plus noise of 1e-12, which float32 loses: exact copies. The lower
      of two equal rows wins every latent, until the winner has moved away.
    - With no live code at all, the noise goes on every row and changes nothing.
    - It happens every 10 steps up to 100, every 100 up to 1000, every 500 up to 5000; so `step` is
      counted here, and saved.

    Deviations: the gradient at ``d = z`` is 0, not NaN; a preview's batch (step 0 of the published
    trainer) isn't counted; of several processes the first decides, where the published codebooks
    drift apart.
    """

    used: Tensor
    step: Tensor

    def __init__(self, config: PublishedQuantizerConfig, width: int, n: int, side: int) -> None:
        super().__init__()
        self.config = config
        self.side = side
        d = config.d
        self.codebook = nn.Parameter(torch.randn(config.k, d))
        self.project_in = nn.Linear(width, d)
        self.project_out = nn.Linear(d, width)
        layers: list[nn.Module] = []
        for kernel, stride, padding in _POOLING[n]:
            layers += [nn.Conv2d(d, d, kernel, stride, padding), nn.ReLU()]
        self.pool = nn.Sequential(*layers[:-1])
        self.register_buffer("used", torch.zeros(config.k, dtype=torch.int32))
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def encode(self, tokens: Tensor) -> Tensor:
        """``[b, side * side, width]`` patch tokens of one frame to ``[b, n, d]``."""
        image = self.project_in(tokens).transpose(1, 2).unflatten(2, (self.side, self.side))
        pooled: Tensor = self.pool(image)
        return pooled.flatten(2).transpose(1, 2)

    def decode(self, vectors: Tensor) -> Tensor:
        """``[b, n, d]`` code vectors to the ``[b, n, width]`` tokens the decoder attends to.

        The published code reads the rows as if they were columns: number ``i`` of a sample's
        ``n * d`` goes to token ``i % n``, place ``i // n``. Every token sees a part of every code.
        """
        b, n, d = vectors.shape
        out: Tensor = self.project_out(vectors.reshape(b, d, n).transpose(1, 2))
        return out

    def forward(self, latents: Tensor) -> Quantized:
        codes = self.nearest(latents)
        vectors = self.codebook[codes]  # [b, n, d]
        if self.training:
            vectors = _substitute_noise(latents, vectors)
            self._count(codes)
        return Quantized(vectors, codes, latents.new_zeros(()))

    def nearest(self, latents: Tensor) -> Tensor:
        """Codes ``[b, n]`` of latents ``[b, n, d]``: the nearest by direct ``sum((x - c)^2)``.

        The published code expands this to ``|x|^2 - 2 x.c + |c|^2``, which loses about
        ``1e-7 |x|^2`` to rounding: only where two codes are as near as that may it choose another.
        Of equal rows the first is chosen here; there it depends on how the product was rounded.
        """
        rows = latents.detach().flatten(0, 1).float()
        direct = "donot_use_mm_for_euclid_dist"
        distance = torch.cdist(rows, self.codebook.detach(), compute_mode=direct)
        return distance.argmin(-1).view(latents.shape[:-1])

    @torch.no_grad()
    def _count(self, codes: Tensor) -> None:
        self.used[torch.unique(codes)] += 1
        if _is_look(int(self.step)):
            self._replace_dead(len(codes))
            from_first_process(self.codebook.data)
        self.step += 1

    def _replace_dead(self, batch: int) -> None:
        dead = self.used / batch < DEAD_BELOW
        live = self.codebook[~dead]
        count = int(dead.sum())
        if len(live) == 0:
            self.codebook.add_(EPSILON * torch.randn_like(self.codebook))
        else:
            if len(live) < count:
                live = live.repeat(-(-count // len(live)), 1)
                live = live[torch.randperm(len(live)).to(live.device)]
            copies = live[:count]
            self.codebook[dead] = copies + EPSILON * torch.randn_like(copies)
        self.used.zero_()


def _is_look(step: int) -> bool:
    """Whether dead codes are replaced after this step, the first being step 0."""
    every = 10 if step < 100 else 100 if step < 1000 else 500
    return 0 < step < 5000 and step % every == 0


def _substitute_noise(latents: Tensor, chosen: Tensor) -> Tensor:
    noise = torch.randn_like(latents)
    error = (latents - chosen).norm(dim=-1, keepdim=True)
    return latents + (error / noise.norm(dim=-1, keepdim=True) + EPSILON) * noise
