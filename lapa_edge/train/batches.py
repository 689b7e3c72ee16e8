"""Stored frames to normalised tensors; frames that belong together are augmented alike."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lapa_edge.runtime.reference import normalisation
from lapa_edge.spec import FrameSpec


def frames_to_tensor(frames: NDArray[np.uint8], spec: FrameSpec, device: torch.device) -> Tensor:
    """``u8 [b, h, w, 3]`` to the normalised ``f32 [b, 3, h, w]`` the networks read.

    The same bits as `lapa_edge._native.preprocess_frame` on the robot: in float64 ``x * scale +
    offset`` is exact, so like there it is rounded once.
    """
    # A view of the frame store is read-only, which torch does not take.
    x = torch.from_numpy(np.require(frames, requirements=["C", "W"])).to(device)
    scale, offset = (
        torch.from_numpy(values).to(device).double().view(1, 3, 1, 1)
        for values in normalisation(spec.mean, spec.std)
    )
    return (x.permute(0, 3, 1, 2).double() * scale + offset).float()


def tensor_to_frames(images: Tensor, spec: FrameSpec) -> NDArray[np.uint8]:
    """Normalised ``[b, 3, h, w]`` back to ``u8 [b, h, w, 3]``, clipped to what a pixel can hold."""
    x = images.permute(0, 2, 3, 1).float().cpu().numpy() * np.array(spec.std) + np.array(spec.mean)
    return np.asarray(np.clip(x * 255 + 0.5, 0, 255), dtype=np.uint8)


def augment(
    images: list[Tensor], rng: np.random.Generator, shift: int, light: float
) -> list[Tensor]:
    """Shift and relight each sample at random, alike in every tensor of `images`.

    Args:
        images: tensors ``[b, 3, h, w]``, aligned along ``b``.
        rng: source of the shifts and factors.
        shift: largest shift, pixels, both ways; the border repeats (DrQ, arXiv 2004.13649).
        light: largest relative change of contrast, and change of brightness in normalised units.
    """
    b, _, h, w = images[0].shape
    if shift:
        rows = torch.from_numpy(rng.integers(0, 2 * shift + 1, (b, 1, 1)))
        columns = torch.from_numpy(rng.integers(0, 2 * shift + 1, (b, 1, 1)))
        row = rows + torch.arange(h).view(1, h, 1)  # [b, h, 1]
        column = columns + torch.arange(w).view(1, 1, w)  # [b, 1, w]
        sample = torch.arange(b).view(b, 1, 1)
        images = [
            F.pad(x, (shift,) * 4, mode="replicate")
            .permute(0, 2, 3, 1)[sample, row, column]
            .permute(0, 3, 1, 2)
            for x in images
        ]
    if light:
        factor = _per_sample(rng.uniform(1 - light, 1 + light, b), images[0])
        offset = _per_sample(rng.uniform(-light, light, b), images[0])
        images = [x * factor + offset for x in images]
    return images


def _per_sample(values: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.dtype).to(like.device).view(-1, 1, 1, 1)
