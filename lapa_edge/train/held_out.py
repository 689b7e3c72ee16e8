"""Clips that stage 1 does not learn from, and what the model makes of them.

Whole clips are held out, never single pairs: neighbours of a frame would give it away.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import DataError
from lapa_edge.spec import FrameSpec
from lapa_edge.train.batches import frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.latent_losses import code_usage

MAX_PAIRS, BATCH = 256, 64
HeldOut = tuple[NDArray[np.int64], NDArray[np.int64]]  # first [m], second [m], into store.all


def hold_out(
    store: FrameStore, fps: Mapping[str, float], share: float, gap_s: float
) -> tuple[FrameStore, HeldOut | None]:
    """Split off a share of the clips, evenly spread, and at most 256 frame pairs of them.

    Args:
        store: all clips.
        fps: camera rate in Hz by clip name.
        share: of the clips, 0 to 0.5; of few clips it may come to none.
        gap_s: time between the frames of a pair, seconds.

    Returns:
        The clips to learn from, and the pairs held out; None where there are none.
    """
    count = round(share * len(store.names))
    every = len(store.names) // count if count else 0
    kept_out = store.names[every // 2 :: every][:count] if every else ()
    try:
        first, second = FramePairs(store.only(kept_out), (gap_s,), fps).all_pairs(gap_s)
    except DataError:  # no clip, or none long enough
        return store, None
    chosen = np.linspace(0, len(first) - 1, min(MAX_PAIRS, len(first))).astype(np.int64)
    rest = store.only(tuple(name for name in store.names if name not in set(kept_out)))
    return rest, (first[chosen], second[chosen])


@torch.no_grad()
def measure_held_out(
    model: nn.Module, pairs: HeldOut, store: FrameStore, frame: FrameSpec, k: int
) -> dict[str, float]:
    """Gain over copying the frame, code perplexity and active codes, on pairs held out."""
    device = pick_device()
    wrong = copied = 0.0
    codes = []
    for start in range(0, len(pairs[0]), BATCH):
        part = slice(start, start + BATCH)
        first, second = (frames_to_tensor(store.all[i[part]], frame, device) for i in pairs)
        predicted = model(first, second)
        wrong += float((predicted.frame - second).square().sum())
        copied += float((first - second).square().sum())
        codes.append(predicted.quantized.codes)
    usage = code_usage(torch.cat(codes), k)
    return {
        "val_gain": 1 - wrong / max(copied, 1e-8),
        **{f"val_{name}": float(value) for name, value in usage.items()},
    }
