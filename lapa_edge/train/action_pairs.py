"""Frame pairs of labelled demos with the mean action between them, for stage 1's joint head.

A few labels in stage 1 turn the latent space towards what the robot can do, and away from what
merely moves (LAOM, arXiv 2502.00379; CLAM, arXiv 2505.04999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import DataError


class ActionPairs:
    """Pairs (i, j) of a demo's frames and the mean of the actions executed from i to j.

    Args:
        dataset: labelled episodes only.
        store: their frames.
        gap_s: gaps, seconds; one is drawn per pair, cut at the end of the clip.
    """

    def __init__(self, dataset: Dataset, store: FrameStore, gap_s: tuple[float, ...]) -> None:
        first, second, actions = [], [], []
        for episode in dataset.episodes:
            steps = episode.steps
            assert steps is not None
            offset, last = store.offset(episode.name), store.count(episode.name) - 1
            running = np.concatenate([np.zeros((1, steps.action.shape[1])), steps.action]).cumsum(0)
            taken = np.searchsorted(steps.time_s, np.arange(last + 1) / episode.fps - 1e-6)
            for gap in gap_s:
                i = np.arange(last + 1)
                j = np.minimum(i + max(1, round(gap * episode.fps)), last)
                moved = taken[j] > taken[i]
                i, j = i[moved], j[moved]
                count = (taken[j] - taken[i])[:, None]
                first.append(offset + i)
                second.append(offset + j)
                actions.append((running[taken[j]] - running[taken[i]]) / count)
        if not first or not sum(map(len, first)):
            raise DataError("demos", "no frame pair has actions between", "check fps and time_s")
        self._first, self._second = np.concatenate(first), np.concatenate(second)
        mean_action = np.concatenate(actions)
        self.action_dim = mean_action.shape[1]
        spread = mean_action.std(0).clip(1e-2)
        self._action = ((mean_action - mean_action.mean(0)) / spread).astype(np.float32)

    def sample(
        self, rng: np.random.Generator, b: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Indices into the store ``[b]``, ``[b]``, and normalised mean actions ``[b, a]``."""
        chosen = rng.integers(len(self._first), size=b)
        return self._first[chosen], self._second[chosen], self._action[chosen]
