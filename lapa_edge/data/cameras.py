"""Several cameras of the same clips: one store whose frames hold every view.

Stages 2 and 3 ask a store for frames by number. Here number ``i`` is that of the first camera;
the others are looked up by clip and frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import Frames, FrameStore
from lapa_edge.errors import DataError


@dataclass(frozen=True, eq=False)
class CameraStores(FrameStore):
    """The stores of several cameras, read as one.

    ``all`` and ``spans`` are the first camera's; frames come with the views stacked along the
    channels, ``[t, h, w, 3 v]``.

    Attributes:
        others: the other cameras' stores, with the same clips, as long.
    """

    others: tuple[FrameStore, ...] = ()

    def fingerprint(self) -> str:
        """Changes with that of any camera, and with their order."""
        prints = [super().fingerprint(), *(store.fingerprint() for store in self.others)]
        return hashlib.sha256(" ".join(prints).encode()).hexdigest()[:16]

    def frames(self, name: str) -> Frames:
        """uint8 [t, h, w, 3 v]: one clip, copied."""
        first, count = self._span(name)
        return self.gather(np.arange(first, first + count))

    def gather(self, index: NDArray[np.int64]) -> Frames:
        """uint8 [b, h, w, 3 v]: copies of the frames at `index` [b]."""
        first, *begins = self._begins
        clip = np.searchsorted(first, index, side="right") - 1  # [b]
        frame = index - first[clip]  # [b], within the clip
        views = [
            store.all[begin[clip] + frame] for store, begin in zip(self.others, begins, strict=True)
        ]
        return np.concatenate([self.all[index], *views], axis=-1)

    @cached_property
    def _begins(self) -> list[NDArray[np.int64]]:
        """Per camera, each clip's first frame, in the order of the first camera."""
        names = sorted(self.names, key=self.offset)
        stores: tuple[FrameStore, ...] = (self, *self.others)
        return [np.array([store.offset(n) for n in names], np.int64) for store in stores]


def same_clips(dataset: Dataset, seen: Dataset, camera: str) -> Dataset:
    """The clips of `dataset` as another camera has `seen` them.

    Raises:
        DataError: it lacks one.
    """
    by_name = {episode.name: episode for episode in seen.episodes}
    for episode in dataset.episodes:
        if episode.name not in by_name:
            raise DataError(
                f"clip {episode.name}",
                f"camera {camera} has none of this name",
                "leave the camera out, or the clips that it did not record",
            )
    return replace(seen, episodes=tuple(by_name[e.name] for e in dataset.episodes))


def join_cameras(stores: Mapping[str, FrameStore]) -> FrameStore:
    """One store of several cameras, by name, in order; of a single camera, its own.

    A clip that one camera could not decode is left out for all.

    Raises:
        DataError: a clip is longer for one camera than for another, or none is left.
    """
    (name, first), *others = stores.items()
    if not others:
        return first
    common = [clip for clip in first.names if all(clip in store.spans for _, store in others)]
    if not common:
        raise DataError(f"cameras {', '.join(stores)}", "no clip could be decoded for all of them")
    for clip in common:
        for other, store in others:
            if store.count(clip) != first.count(clip):
                raise DataError(
                    f"clip {clip}",
                    f"camera {name} has {first.count(clip)} frames, {other} has "
                    f"{store.count(clip)}",
                    "cameras must be recorded together; leave the clip or the camera out",
                )
    skipped = tuple(line for store in stores.values() for line in store.skipped)
    spans = {clip: first.spans[clip] for clip in common}
    return CameraStores(
        first.all, spans, skipped, tuple(store.only(tuple(common)) for _, store in others)
    )
