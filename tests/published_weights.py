"""A small model of the published code: its weights by rule, and what that code made of them.

``golden/published_n*.npz`` were made with the published code, commit 46aca51, on these weights
and frames. They hold its tensors' names and shapes, codes and latents of `PAIRS` frame pairs, and
the second frames it predicted for the first of them. The weights are not in there: each is a
function of its published name.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lapa_edge.model.published import PublishedConfig
from lapa_edge.model.published_quantizer import PublishedQuantizerConfig

PAIRS = 16
GOLDEN = Path(__file__).parent / "golden"


def small_config(n: int = 4) -> PublishedConfig:
    """32 pixels a side, and as many patches as `n` codes need."""
    return PublishedConfig(
        image=32, patch=2 if n == 16 else 4, d=32, heads=2, head_dim=8, spatial_layers=2,
        temporal_layers=2, n=n, quantizer=PublishedQuantizerConfig(k=8, d=12),
    )  # fmt: skip


def read_golden(n: int) -> dict[str, np.ndarray]:
    """``shapes`` (JSON), ``codes`` [16, n], ``latents`` [16, n, d], ``predicted`` [.., 3, h, w]."""
    with np.load(GOLDEN / f"published_n{n}.npz") as file:
        return dict(file)


def published_state(n: int = 4) -> dict[str, Tensor]:
    """The state dict as the published code would save it."""
    shapes = json.loads(str(read_golden(n)["shapes"]))
    return {name: published_tensor(name, tuple(shape)) for name, shape in shapes.items()}


def published_tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform values that depend on the name alone; no two tensors are alike, no bias is 0."""
    values = 2 * np.random.default_rng(zlib.crc32(name.encode())).random(shape) - 1
    if name == "vq.codebooks":
        values *= 0.3
    elif name.endswith(("gamma", "scale")) or (len(shape) == 1 and name.endswith("weight")):
        values = 1 + 0.3 * values
    elif len(shape) == 1:
        values *= 0.3
    else:
        values *= math.sqrt(3 / max(1, math.prod(shape[1:])))
    return torch.from_numpy(values.astype(np.float32))


def frame_pairs() -> tuple[Tensor, Tensor]:
    """First and second frames, each ``[16, 3, 32, 32]`` in [0, 1]: coarse squares of colour."""
    coarse = np.random.default_rng(0).random((2, PAIRS, 3, 8, 8))
    first, second = (
        torch.from_numpy(coarse.astype(np.float32))
        .repeat_interleave(4, dim=-1)
        .repeat_interleave(4, dim=-2)
    )
    return first, second
