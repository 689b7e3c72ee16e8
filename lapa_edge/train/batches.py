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
    """``u8 [b, h, w, 3 v]`` to the normalised ``f32 [b, 3 v, h, w]`` the networks read.

    The same bits as `lapa_edge._native.preprocess_frame` on the robot: in float64 ``x * scale +
    offset`` is exact, so like there it is rounded once.
    """
    # A view of the frame store is read-only, which torch does not take.
    x = torch.from_numpy(np.require(frames, requirements=["C", "W"])).to(device)
    views = x.shape[-1] // 3
    scale, offset = (
        torch.from_numpy(values).to(device).double().repeat(views).view(1, 3 * views, 1, 1)
        for values in normalisation(spec.mean, spec.std)
    )
    return (x.permute(0, 3, 1, 2).double() * scale + offset).float()


def tensor_to_frames(images: Tensor, spec: FrameSpec) -> NDArray[np.uint8]:
    """Normalised ``[b, 3, h, w]`` back to ``u8 [b, h, w, 3]``, clipped to what a pixel can hold."""
    x = images.permute(0, 2, 3, 1).float().cpu().numpy() * np.array(spec.std) + np.array(spec.mean)
    return np.asarray(np.clip(x * 255 + 0.5, 0, 255), dtype=np.uint8)


def augment_views(
    frame: Tensor,
    rng: np.random.Generator,
    shift: int,
    light: float,
    colour: float = 0.0,
    erase: float = 0.0,
) -> Tensor:
    """`augment` of frames ``[b, 3 v, h, w]``, each view by itself: cameras shake by themselves."""
    b, channels, h, w = frame.shape
    views = frame.reshape(b * channels // 3, 3, h, w)
    (changed,) = augment([views], rng, shift, light, colour, erase)
    return changed.reshape(frame.shape)


def augment(
    images: list[Tensor],
    rng: np.random.Generator,
    shift: int,
    light: float,
    colour: float = 0.0,
    erase: float = 0.0,
) -> list[Tensor]:
    """Shift, relight, recolour and partly hide each sample at random, alike in all of `images`.

    Args:
        images: tensors ``[b, 3, h, w]``, aligned along ``b``.
        rng: source of the shifts and factors.
        shift: largest shift, pixels, both ways; the border repeats (DrQ, arXiv 2004.13649).
        light: largest relative change of contrast, and change of brightness in normalised units.
        colour: largest turn of the hue, as a share of a full turn, and relative change of
            saturation; an instruction that names colours bears little of it.
        erase: largest side of the rectangle that is hidden, as a share of the image's, 0 to 1
            (random erasing, arXiv 1708.04896); the colour in it is drawn too.
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
    if colour:
        turn = _turns(rng.uniform(-colour, colour, b), rng.uniform(1 - colour, 1 + colour, b))
        turn = turn.to(images[0])
        images = [torch.einsum("bij,bjhw->bihw", turn, x) for x in images]
    if erase:
        hidden = torch.from_numpy(_rectangles(rng, b, h, w, erase)).to(images[0].device)
        paint = torch.from_numpy(rng.uniform(-1, 1, (b, 3, 1, 1))).to(images[0])
        images = [torch.where(hidden, paint, x) for x in images]
    return images


def _turns(hue: NDArray[np.float64], saturation: NDArray[np.float64]) -> Tensor:
    """Maps of RGB ``[b, 3, 3]``: a turn about the grey axis, then a stretch away from it.

    Linear, so that it may act on normalised colours: grey stays as it is.
    """
    angle = 2 * np.pi * hue[:, None, None]
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turned = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * cross  # Rodrigues' formula
    return torch.from_numpy(grey + saturation[:, None, None] * turned)


def _rectangles(
    rng: np.random.Generator, b: int, h: int, w: int, largest: float
) -> NDArray[np.bool_]:
    """One rectangle per sample, true within, ``[b, 1, h, w]``: any side up to `largest` shares."""
    inside = []
    for length in (h, w):
        side = rng.uniform(0, largest, b) * length
        begin = rng.uniform(0, 1, b) * (length - side)
        at = np.arange(length) + 0.5
        inside.append((begin[:, None] <= at) & (at < (begin + side)[:, None]))
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]


def _per_sample(values: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.dtype).to(like.device).view(-1, 1, 1, 1)
