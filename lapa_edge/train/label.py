"""Between stage 1 and 2, ``lapa-label``: every frame of the video gets its codes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import LabelInfo, Labels, part_path, read_label_info, write_part
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError
from lapa_edge.model.latent_action import LatentActionModel
from lapa_edge.progress import progress_bar
from lapa_edge.spec import LatentSpec
from lapa_edge.train.batches import frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.latents import LatentsConfig
from lapa_edge.train.run_directory import RunDirectory, write_text

CLIPS_PER_PART = 32
BATCH = 256


def label_video(
    config: LatentsConfig,
    model: LatentActionModel,
    run: RunDirectory,
    store: FrameStore,
    pairs: FramePairs,
    root: Path,
) -> None:
    """Write codes for every frame pair at the labelling gap to `root`; skips parts already there.

    The last frames of a clip are paired with its final frame, as the paper does.
    """
    quantizer = config.model.quantizer
    info = LabelInfo(
        latent=LatentSpec(n=config.model.n, k=quantizer.k, d=quantizer.d, gap_s=config.label_gap_s),
        model_sha256=hashlib.sha256(run.weights.read_bytes()).hexdigest(),
        clips=tuple(store.names),
        clips_per_part=CLIPS_PER_PART,
    )
    _open(root, info)
    first, second = pairs.all_pairs(config.label_gap_s)
    codebook = model.quantizer.codebook.detach().cpu().numpy()
    parts = range(-(-len(info.clips) // CLIPS_PER_PART))
    with progress_bar() as bar:
        for part in bar.track(parts, description="label video"):
            if part_path(root, part).is_file():
                continue
            clips = info.clips[part * CLIPS_PER_PART : (part + 1) * CLIPS_PER_PART]
            write_part(
                root,
                part,
                _label_clips(config, model, codebook, store, clips, first, second, info.latent),
            )


def _open(root: Path, info: LabelInfo) -> None:
    """Start a label directory, or check that the one here is of the same model and clips."""
    if (root / "labels.json").is_file():
        if read_label_info(root) != info:
            raise ConfigError(
                f"labels {root}", "were written by another model or for other clips",
                "choose another --out",
            )  # fmt: skip
        return
    root.mkdir(parents=True, exist_ok=True)
    write_text(root / "labels.json", msgspec.json.encode(info).decode())


def _label_clips(
    config: LatentsConfig,
    model: LatentActionModel,
    codebook: NDArray[np.float32],
    store: FrameStore,
    clips: tuple[str, ...],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    latent: LatentSpec,
) -> Labels:
    names, frames, chosen = [], [], []
    for clip in clips:
        start, count = store.offset(clip), store.count(clip)
        here = np.flatnonzero((first >= start) & (first < start + count))
        names += [clip] * len(here)
        frames.append(first[here] - start)
        chosen.append(here)
    index = np.concatenate(chosen)
    latents = np.concatenate(
        [
            np.zeros((0, latent.n, latent.d), np.float32),
            *_encode(config, model, store, first[index], second[index]),
        ]
    )
    rows = latents.reshape(-1, latent.d)
    codes = _native.nearest_code(rows, codebook)
    distance = np.linalg.norm(rows - codebook[codes], axis=1).reshape(-1, latent.n).mean(1)
    return Labels(
        latent=latent,
        clip=np.array(names, dtype=np.str_),
        frame=np.concatenate(frames).astype(np.int32),
        codes=codes.reshape(-1, latent.n),
        latents=latents,
        distance=distance.astype(np.float32),
    )


@torch.no_grad()
def _encode(
    config: LatentsConfig,
    model: LatentActionModel,
    store: FrameStore,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> Iterator[NDArray[np.float32]]:
    device = pick_device()
    for start in range(0, len(first), BATCH):
        part = slice(start, start + BATCH)
        pair = [
            frames_to_tensor(store.all[index[part]], config.frame, device)
            for index in (first, second)
        ]
        yield model.encode(*pair).cpu().numpy()
