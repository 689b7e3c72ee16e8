"""A dataset's frames, decoded once into a cache, with a progress bar and a word on skips."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore, build_frame_store
from lapa_edge.progress import progress_bar
from lapa_edge.spec import FrameSpec

log = logging.getLogger(__name__)


def open_frames(
    dataset: Dataset,
    frame: FrameSpec,
    cache: Path,
    max_damaged: float = MAX_DAMAGED,
    camera: str = "",
) -> FrameStore:
    """Decode and resize every clip, or open the cache where that was done before.

    Damaged clips are named, counted and left out.

    Args:
        dataset: clips.
        frame: the size to store.
        cache: a folder for the stores of all datasets.
        max_damaged: share of the clips, 0 to 1, that may fail in decoding.
        camera: which one the clips are of, where there are several: each has a store of its own.

    Raises:
        DataError: more clips are damaged, or the disk is too full.
    """
    root = dataset.root.resolve()
    # Other clips of the same folder (a split, the labelled ones) get a store of their own.
    clips = "\n".join([str(root), *(e.name for e in dataset.episodes), *filter(None, [camera])])
    key = hashlib.sha256(clips.encode()).hexdigest()[:8]
    directory = cache.expanduser() / f"{root.name}-{key}-{frame.height}x{frame.width}"
    with progress_bar() as bar:
        task = bar.add_task("decode video", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        store = build_frame_store(dataset, directory, frame.height, frame.width, progress=progress)
        bar.update(task, completed=len(store.all), total=len(store.all))
    skipped = (*dataset.skipped, *store.skipped)
    for line in skipped:
        log.warning("skipped %s", line)
    if skipped:
        log.warning("skipped %d in all, %d clips remain", len(skipped), len(store.names))
    # What the reader skipped, it judged itself.
    check_damage(f"dataset {root}", store.skipped, len(dataset.episodes), max_damaged)
    return store
