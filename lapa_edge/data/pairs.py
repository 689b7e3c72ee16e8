"""Which two frames a latent action lies between: what stage 1 learns from.

A gap is given in seconds and rounded to whole frames of each clip, one at least, so that clips
of different camera rates show the same stretch of motion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError

Indices = NDArray[np.int64]


class FramePairs:
    """All pairs (i, j) of frames of one clip, j a gap after i, as indices into ``store.all``.

    With ``truncate``, a gap that would run past the clip's end stops at its last frame, as in
    LAPA (arXiv 2410.11758); otherwise such pairs are left out. One deviation: LAPA also pairs
    the last frame with itself, which shows no action, so it is left out here.

    Args:
        store: the frames.
        gap_s: gaps in seconds; `sample` draws each equally often.
        fps: camera rate in Hz by clip name, as `Dataset.fps` gives it.
        truncate: what to do at the end of a clip.

    Raises:
        ConfigError: no gap, or one that is not a positive number.
        DataError: a gap gives no pair at all.
    """

    def __init__(
        self,
        store: FrameStore,
        gap_s: tuple[float, ...],
        fps: Mapping[str, float],
        truncate: bool = True,
    ) -> None:
        if not gap_s:
            raise ConfigError("gap_s", "expected at least one gap in seconds")
        self.gap_s = gap_s
        self.truncate = truncate
        self._offset: Indices = np.array([store.offset(n) for n in store.names], dtype=np.int64)
        self._count: Indices = np.array([store.count(n) for n in store.names], dtype=np.int64)
        self._fps = np.array([fps[n] for n in store.names], dtype=np.float64)
        self._gaps = [self._gap_frames(gap) for gap in gap_s]  # frames per clip
        self._ends = [self._pair_ends(gap) for gap in self._gaps]  # running number of pairs
        for gap, ends in zip(gap_s, self._ends, strict=True):
            self._check_any(gap, ends)

    def __len__(self) -> int:
        return sum(int(ends[-1]) for ends in self._ends)

    def sample(self, rng: np.random.Generator, batch: int) -> tuple[Indices, Indices]:
        """Draw pairs: the gap evenly, then a pair evenly among all pairs of that gap.

        Returns:
            first int64 [b] and second int64 [b], indices into ``store.all``.
        """
        which = rng.integers(len(self._gaps), size=batch)
        first, second = np.empty(batch, dtype=np.int64), np.empty(batch, dtype=np.int64)
        for i, (gap, ends) in enumerate(zip(self._gaps, self._ends, strict=True)):
            chosen = np.flatnonzero(which == i)
            ranks = rng.integers(ends[-1], size=len(chosen))
            first[chosen], second[chosen] = self._pairs(ranks, gap, ends)
        return first, second

    def all_pairs(self, gap_s: float) -> tuple[Indices, Indices]:
        """Every pair of one gap, in the order of ``store.all``: what labelling walks through.

        With ``truncate`` the first frames are all frames but each clip's last.

        Returns:
            first int64 [pairs] and second int64 [pairs].

        Raises:
            ConfigError: the gap is not a positive number.
            DataError: there is no such pair.
        """
        gap = self._gap_frames(gap_s)
        ends = self._pair_ends(gap)
        self._check_any(gap_s, ends)
        return self._pairs(np.arange(ends[-1], dtype=np.int64), gap, ends)

    def _gap_frames(self, gap_s: float) -> Indices:
        if not (math.isfinite(gap_s) and gap_s > 0):
            raise ConfigError("gap_s", f"expected more than 0 seconds, got {gap_s}")
        return np.maximum(np.rint(gap_s * self._fps), 1).astype(np.int64)

    def _pair_ends(self, gap: Indices) -> Indices:
        """Pairs in clips 0..i, by clip i."""
        lost = 1 if self.truncate else gap
        return np.cumsum(np.maximum(self._count - lost, 0))

    def _check_any(self, gap_s: float, ends: Indices) -> None:
        if len(ends) == 0 or ends[-1] == 0:
            longest_s = float((self._count / self._fps).max()) if len(ends) else 0.0
            raise DataError(
                f"frame pairs {gap_s:g} s apart",
                f"none: the longest of {len(ends)} clips lasts {longest_s:g} s",
                "choose a shorter gap or longer clips",
            )

    def _pairs(self, rank: Indices, gap: Indices, ends: Indices) -> tuple[Indices, Indices]:
        """The pairs with these running numbers; no table of all pairs is ever held."""
        clip = np.searchsorted(ends, rank, side="right")
        before = np.where(clip > 0, ends[clip - 1], 0)
        first = self._offset[clip] + rank - before
        last = self._offset[clip] + self._count[clip] - 1
        return first, np.minimum(first + gap[clip], last)
