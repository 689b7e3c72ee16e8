"""Between stage 1 and 2, ``lapa-label``: every frame of the video gets its codes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import LabelInfo, Labels, part_path, read_label_info, write_part
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.latent_codec import LatentCodec
from lapa_edge.progress import progress_bar
from lapa_edge.train.run_directory import write_text

CLIPS_PER_PART = 32
BATCH = 256


def label_video(
    codec: LatentCodec, fingerprint: str, store: FrameStore, pairs: FramePairs, root: Path
) -> None:
    """Write codes for every frame pair at the labelling gap to `root`; skips parts already there.

    Args:
        codec: the latent action model.
        fingerprint: of its weights, as `RunDirectory.fingerprint` gives it.
        store, pairs: the video; the last frames of a clip are paired with its final frame, as
            the paper does, where the pairs truncate.
        root: where the labels go.
    """
    info = LabelInfo(
        latent=codec.latent,
        model_sha256=fingerprint,
        clips=tuple(store.names),
        clips_per_part=CLIPS_PER_PART,
    )
    _open(root, info)
    first, second = pairs.all_pairs(codec.latent.gap_s)
    parts = range(-(-len(info.clips) // CLIPS_PER_PART))
    with progress_bar() as bar:
        for part in bar.track(parts, description="label video"):
            if part_path(root, part).is_file():
                continue
            clips = info.clips[part * CLIPS_PER_PART : (part + 1) * CLIPS_PER_PART]
            write_part(root, part, _label_clips(codec, store, clips, first, second))


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
    codec: LatentCodec,
    store: FrameStore,
    clips: tuple[str, ...],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> Labels:
    names, frames, chosen = [], [], []
    for clip in clips:
        start, count = store.offset(clip), store.count(clip)
        here = np.flatnonzero((first >= start) & (first < start + count))
        names += [clip] * len(here)
        frames.append(first[here] - start)
        chosen.append(here)
    index = np.concatenate(chosen)
    encoded = codec.encode(store.all[first[index]], store.all[second[index]])
    return Labels(
        latent=codec.latent,
        clip=np.array(names, dtype=np.str_),
        frame=np.concatenate(frames).astype(np.int32),
        codes=encoded.codes,
        latents=encoded.latents,
        distance=encoded.distance,
    )
