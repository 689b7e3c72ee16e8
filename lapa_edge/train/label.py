"""Between stage 1 and 2, ``lapa-label``: every frame of the video gets its codes.

    codec + frame store -> LabelJob -> parts of labels

Which process writes a part, and beside how many others, changes no bit of it: pairs are encoded in
the same batches, each on one thread. `label_scale` spreads the parts over machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import LabelInfo, Labels, open_labels, write_part
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.latent_codec import Encoded, LatentCodec
from lapa_edge.progress import progress_bar
from lapa_edge.spec import LatentSpec
from lapa_edge.train.device import pick_device

CLIPS_PER_PART = 32
BATCH = 128  # pairs; bounds the memory

# Parts that are missing in, each one out as soon as it is written.
WriteParts = Callable[[list[int]], Generator[int, None, None]]


class LabelJob:
    """What is to be labelled, and where it goes; any process can write any part.

    Args:
        info: of the labels, as `describe_labels` makes it.
        store: the frames of ``info.clips``.
        pairs: of the store; the last frames of a clip are paired with its final one, as the
            paper does, where the pairs truncate.
        root: where the labels go.
    """

    def __init__(self, info: LabelInfo, store: FrameStore, pairs: FramePairs, root: Path) -> None:
        self.info, self.store, self.pairs, self.root = info, store, pairs, root
        self._first, self._second = pairs.all_pairs(info.latent.gap_s)
        self._ends = np.cumsum(_pairs_per_clip(store, self._first))

    def write(self, codec: LatentCodec, part: int) -> None:
        """Label the clips of one part and write it."""
        size = self.info.clips_per_part
        begin, end = part * size, min((part + 1) * size, len(self.info.clips))
        starts = np.concatenate([[0], self._ends])
        here = slice(int(starts[begin]), int(starts[end]))
        clips = np.array(self.info.clips[begin:end], dtype=np.str_)
        counts = np.diff(starts[begin : end + 1])
        offsets = np.array([self.store.offset(name) for name in clips.tolist()], dtype=np.int64)
        encoded = self._encode(codec, here)
        labels = Labels(
            latent=self.info.latent,
            clip=np.repeat(clips, counts),
            frame=(self._first[here] - np.repeat(offsets, counts)).astype(np.int32),
            codes=encoded.codes,
            latents=encoded.latents,
            distance=encoded.distance,
        )
        write_part(self.root, part, labels, self.info)

    def _encode(self, codec: LatentCodec, here: slice) -> Encoded:
        """Latent actions of a stretch of pairs, batch by batch on all threads."""
        first, second = self._first[here], self._second[here]

        def encode(start: int) -> Encoded:
            batch = slice(start, start + BATCH)
            return codec.encode(self.store.all[first[batch]], self.store.all[second[batch]])

        # One batch at least, for clips of a single frame: it is empty, but of the right shape.
        starts = range(0, max(len(first), 1), BATCH)
        with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(encode, starts))
        return Encoded(
            codes=np.concatenate([one.codes for one in found]),
            latents=np.concatenate([one.latents for one in found]),
            distance=np.concatenate([one.distance for one in found]),
        )


def label_video(
    codec: LatentCodec,
    fingerprint: str,
    store: FrameStore,
    pairs: FramePairs,
    root: Path,
    clips_per_part: int = CLIPS_PER_PART,
) -> None:
    """Write codes for every frame pair at the labelling gap to `root`; goes on where it stopped.

    Args:
        codec: the latent action model.
        fingerprint: of its weights, as `RunDirectory.fingerprint` gives it.
        store, pairs: the video.
        root: where the labels go.
        clips_per_part: what a killed run loses at most.

    Raises:
        ConfigError: other labels are at `root`, or another process writes there.
        DataError: a part there is damaged, or the disk is full.
    """
    info = describe_labels(codec.latent, fingerprint, store, pairs, clips_per_part)
    job = LabelJob(info, store, pairs, root)

    def write(missing: list[int]) -> Generator[int, None, None]:
        for part in missing:
            job.write(codec, part)
            yield part

    write_missing(job, write)


def describe_labels(
    latent: LatentSpec,
    fingerprint: str,
    store: FrameStore,
    pairs: FramePairs,
    clips_per_part: int = CLIPS_PER_PART,
) -> LabelInfo:
    """Everything that the labels depend on, so that no two kinds mix in one folder."""
    if clips_per_part < 1:
        raise ConfigError("clips_per_part", f"expected at least 1, got {clips_per_part}")
    return LabelInfo(
        latent=latent,
        model_sha256=fingerprint,
        clips=tuple(store.names),
        clips_per_part=clips_per_part,
        video_sha256=_video_fingerprint(store, pairs, latent.gap_s),
    )


def write_missing(job: LabelJob, write: WriteParts) -> None:
    """Open the label directory and have the missing parts written, behind a progress bar."""
    with open_labels(job.root, job.info) as missing, progress_bar() as bar:
        parts = job.info.parts
        task = bar.add_task("label video", total=parts, completed=parts - len(missing))
        if missing:
            with closing(write(missing)) as written:
                for _ in written:
                    bar.advance(task)


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Yields how many threads to start, each of which computes alone.

    torch splits a sum over its threads, so that their number would show in the last bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield 1 if pick_device().type == "cuda" else before
    finally:
        torch.set_num_threads(before)


def _pairs_per_clip(store: FrameStore, first: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the pairs begin in each clip; pairs lie clip by clip, in the store's order."""
    offsets = np.array([store.offset(name) for name in store.names], dtype=np.int64)
    order = np.argsort(offsets)
    clip = order[np.searchsorted(offsets[order], first, side="right") - 1]
    return np.bincount(clip, minlength=len(offsets))


def _video_fingerprint(store: FrameStore, pairs: FramePairs, gap_s: float) -> str:
    """Of which frames are paired, and of how each clip begins, goes on and ends."""
    digest = hashlib.sha256()
    for index in pairs.all_pairs(gap_s):
        digest.update(index.astype("<i8").tobytes())
    for name in store.names:
        frames = store.frames(name)
        for i in (0, len(frames) // 2, len(frames) - 1):
            digest.update(frames[i].tobytes())
    return digest.hexdigest()
