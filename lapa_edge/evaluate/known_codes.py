"""What stage 1 reads between the frames of a dataset, to hold a policy's codes against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lapa_edge import _native
from lapa_edge.data.episode import Dataset
from lapa_edge.data.labels import Labels
from lapa_edge.errors import DataError
from lapa_edge.evaluate.latent_codec import LatentCodec
from lapa_edge.evaluate.offline import KnownCodes


def codes_of_labels(labels: Labels, dataset: Dataset) -> KnownCodes:
    """The codes that ``lapa-label`` wrote, by clip of the dataset.

    Raises:
        DataError: not one clip of the dataset is labelled.
    """
    names = {episode.name for episode in dataset.episodes}
    found = {
        str(clip): (labels.frame[labels.clip == clip], labels.codes[labels.clip == clip])
        for clip in np.unique(labels.clip)
        if clip in names
    }
    if not found:
        raise DataError(
            "labels", f"none is of a clip of {dataset.root}",
            "label this data with lapa-label, or give the stage-1 run",
        )  # fmt: skip
    return found


def codes_of_codec(
    codec: LatentCodec, dataset: Dataset, tick: Callable[[int], None] = lambda done: None
) -> KnownCodes:
    """The codes that a latent action model reads at its own gap, in every labelled episode."""
    found = {}
    for episode in dataset.labelled.episodes:
        size = codec.frame.height, codec.frame.width
        frames = np.stack([_native.resize_frame(f, *size) for f in episode.video.read()])
        gap = max(1, round(codec.latent.gap_s * episode.fps))
        if len(frames) > gap:
            index = np.arange(len(frames) - gap)
            found[episode.name] = index, codec.encode(frames[:-gap], frames[gap:]).codes
        tick(1)
    return found
