"""What stage 1 asks of a predicted frame, and how its codes are doing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def pixel_loss(
    predicted: Tensor, first: Tensor, second: Tensor, motion_weight: float, scales: tuple[int, ...]
) -> Tensor:
    """Weighted squared error of the predicted second frame, summed over resolutions.

    At a coarse scale ``s`` frames and error are averaged over ``s x s`` pixels, and the term is
    multiplied by ``s``: there a thing that moves by less than its own size already shows, so the
    gradient finds the motion before the details (the idea of an image pyramid).

    Args:
        predicted, first, second: ``[b, 3, h, w]``.
        motion_weight: extra weight of the pixels that change; 0 is plain MSE.
        scales: pixels; ``(1,)`` is the full resolution alone.
    """
    terms = []
    for s in scales:
        error, before, after = (_pooled(x, s) for x in (predicted - second, first, second))
        weights = motion_weights(before, after, motion_weight)
        terms.append(s * (error.square() * weights).mean())
    return torch.stack(terms).sum()


def motion_weights(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Loss weights ``[b, 1, h, w]``: 1 where nothing moves, up to ``1 + weight`` where it does."""
    change = (second - first).abs().mean(1, keepdim=True)
    moved = F.avg_pool2d(change, 5, stride=1, padding=2)
    return 1 + weight * (moved * 4).clamp(max=1.0)


def gain_over_copy(predicted: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """1 for a perfect prediction, 0 for one no better than the first frame, below 0 if worse."""
    copied = (first - second).square().mean()
    return 1 - (predicted - second).square().mean() / copied.clamp_min(1e-8)


def code_usage(codes: Tensor, k: int) -> dict[str, Tensor]:
    """Perplexity of the codes ``[b, n]`` in [1, k], and how many of the k occur."""
    share = torch.bincount(codes.flatten(), minlength=k).float()
    share = share / share.sum().clamp_min(1)
    entropy = -(share * share.clamp_min(1e-12).log()).sum()
    return {"perplexity": entropy.exp(), "active": (share > 0).sum().float()}


def _pooled(image: Tensor, scale: int) -> Tensor:
    return F.avg_pool2d(image, scale) if scale > 1 else image
