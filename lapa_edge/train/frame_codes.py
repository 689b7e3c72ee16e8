"""The demos' own codes, computed in place: what fine-tuning may go on predicting."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import DataError
from lapa_edge.evaluate.latent_codec import LatentCodec

UNKNOWN = -1  # the code of a frame without one that is a gap later
BATCH = 512


def frame_codes(
    codec: LatentCodec, store: FrameStore, fps: Mapping[str, float]
) -> dict[str, NDArray[np.int64]]:
    """By clip, the codes ``int64 [t, n]`` from each frame to the one a gap later.

    Args:
        codec: of the stage-1 run that the policy was trained on.
        store: the clips at the codec's size.
        fps: camera rate in Hz by clip name.

    Returns:
        Codes as stage 2 was shown them, gaps cut at the clip's end; the last frame's are `UNKNOWN`.
    """
    latent = codec.latent
    first, second = FramePairs(store, (latent.gap_s,), fps).all_pairs(latent.gap_s)
    codes = np.full((len(store.all), latent.n), UNKNOWN, np.int64)
    for start in range(0, len(first), BATCH):
        part = slice(start, start + BATCH)
        pair = store.gather(first[part]), store.gather(second[part])
        codes[first[part]] = codec.encode(*pair).codes
    return {
        name: codes[store.offset(name) : store.offset(name) + store.count(name)]
        for name in store.names
    }


def codes_of_store(codes: Mapping[str, NDArray[np.int64]], store: FrameStore) -> NDArray[np.int64]:
    """The codes ``int64 [frames, n]`` by index into `store`.

    Raises:
        DataError: a clip has no codes, or not one row per frame.
    """
    n = next(iter(codes.values())).shape[1]
    rows = [(name, store.offset(name), store.count(name)) for name in store.spans]
    flat = np.full((max(offset + count for _, offset, count in rows), n), UNKNOWN, np.int64)
    for name, offset, count in rows:
        if name not in codes or len(codes[name]) != count:
            got = f"{len(codes[name])}" if name in codes else "none"
            raise DataError(f"clip {name}", f"expected codes of {count} frames, got {got}")
        flat[offset : offset + count] = codes[name]
    return flat
