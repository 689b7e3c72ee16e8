"""Frame pairs of labelled demos with the mean action between them, for stage 1's joint head.

A few labels in stage 1 turn the latent space towards what the robot can do, and away from what
merely moves (LAOM, arXiv 2502.00379; CLAM, arXiv 2505.04999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.motion import executed_actions
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
            if episode.name not in store.spans:
                continue  # it could not be decoded, and was named
            offset, last = store.offset(episode.name), store.count(episode.name) - 1
            executed = executed_actions(episode, last + 1)
            for gap in gap_s:
                i = np.arange(last + 1)
                j = np.minimum(i + max(1, round(gap * episode.fps)), last)
                moved = executed.count(i, j) > 0
                i, j = i[moved], j[moved]
                first.append(offset + i)
                second.append(offset + j)
                actions.append(executed.total(i, j) / executed.count(i, j)[:, None])
        if not first or not sum(map(len, first)):
            raise DataError("demos", "no frame pair has actions between", "check fps and time_s")
        self._first, self._second = np.concatenate(first), np.concatenate(second)
        mean_action = np.concatenate(actions)
        self.action_dim = mean_action.shape[1]
        spread = mean_action.std(0)
        spread[spread < 1e-9] = 1.0  # an action that never changes
        self._action = ((mean_action - mean_action.mean(0)) / spread).astype(np.float32)

    def __len__(self) -> int:
        return len(self._first)

    def sample(
        self, rng: np.random.Generator, b: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Indices into the store ``[b]``, ``[b]``, and normalised mean actions ``[b, a]``."""
        chosen = rng.integers(len(self._first), size=b)
        return self._first[chosen], self._second[chosen], self._action[chosen]
