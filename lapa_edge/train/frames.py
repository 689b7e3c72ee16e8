"""A dataset's frames, decoded once into a cache, with a progress bar and a word on skips."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore, build_frame_store
from lapa_edge.progress import progress_bar
from lapa_edge.spec import FrameSpec

log = logging.getLogger(__name__)

DEFAULT_CACHE = Path("~/.cache/lapa-edge/frames")


def open_frames(dataset: Dataset, frame: FrameSpec, cache: Path = DEFAULT_CACHE) -> FrameStore:
    """Decode and resize every clip, or open the cache where that was done before.

    Args:
        dataset: clips.
        frame: the size to store.
        cache: a folder for the stores of all datasets.
    """
    root = dataset.root.resolve()
    # Other clips of the same folder (a split, the labelled ones) get a store of their own.
    clips = "\n".join([str(root), *(episode.name for episode in dataset.episodes)])
    key = hashlib.sha256(clips.encode()).hexdigest()[:8]
    directory = cache.expanduser() / f"{root.name}-{key}-{frame.height}x{frame.width}"
    for line in dataset.skipped:
        log.warning("skipped %s", line)
    with progress_bar() as bar:
        task = bar.add_task("decode video", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        store = build_frame_store(dataset, directory, frame.height, frame.width, progress=progress)
        bar.update(task, completed=len(store.all), total=len(store.all))
    for line in store.skipped:
        log.warning("skipped %s", line)
    return store
