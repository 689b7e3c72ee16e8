"""Frame pairs of labelled demos with the actions between them.

For stage 1's joint head, the mean action: a few labels there turn the latent space towards what
the robot can do, and away from what merely moves (LAOM, arXiv 2502.00379; CLAM, arXiv 2505.04999).
For inverse dynamics that label video, every action on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.motion import executed_actions
from lapa_edge.errors import DataError
from lapa_edge.spec import ActionSpec

Indices = NDArray[np.int64]
Sampled = tuple[Indices, Indices, NDArray[np.float32]]


class PairsOfDemos:
    """Pairs (i, j) of frames and what is to be told of each, to draw from.

    Args:
        first, second: per clip, int64 [m] into the store.
        actions: per clip, [m, out]; the same clips.
        normal: mean and spread ``[out]`` of the actions; None measures them.

    Raises:
        DataError: there is no pair at all.
    """

    def __init__(
        self,
        first: list[Indices],
        second: list[Indices],
        actions: Sequence[NDArray[np.floating]],
        normal: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
    ) -> None:
        if not sum(map(len, first)):
            raise DataError("demos", "no frame pair has actions between", "check fps and time_s")
        self._first, self._second = np.concatenate(first), np.concatenate(second)
        action = np.concatenate(actions)
        mean, spread = normal or (action.mean(0), _spread(action))
        self._action = ((action - mean) / spread).astype(np.float32)
        self.action_dim = self._action.shape[1]

    def __len__(self) -> int:
        return len(self._first)

    def sample(self, rng: np.random.Generator, b: int) -> Sampled:
        """Indices into the store ``[b]``, ``[b]``, and normalised actions ``[b, out]``."""
        return self._at(rng.integers(len(self._first), size=b))

    def spread(self, most: int) -> Sampled:
        """At most `most` pairs, evenly spread over all: the same ones at every call."""
        return self._at(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))

    def _at(self, chosen: Indices) -> Sampled:
        return self._first[chosen], self._second[chosen], self._action[chosen]


class ActionPairs(PairsOfDemos):
    """Pairs of a demo's frames and the mean of the actions executed from one to the other.

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
                j = np.minimum(i + frames_apart(gap, episode.fps), last)
                moved = executed.count(i, j) > 0
                i, j = i[moved], j[moved]
                first.append(offset + i)
                second.append(offset + j)
                actions.append(executed.total(i, j) / executed.count(i, j)[:, None])
        super().__init__(first, second, actions)


class ActionChunks(PairsOfDemos):
    """Pairs a gap apart and the `steps` actions from the first frame on, one after another.

    Args:
        dataset: labelled episodes only.
        store: their frames.
        gap_s: time between the two frames, seconds.
        steps: control steps of a chunk.
        action: the normalisation.
    """

    def __init__(
        self, dataset: Dataset, store: FrameStore, gap_s: float, steps: int, action: ActionSpec
    ) -> None:
        first, second, actions = [], [], []
        for episode in dataset.episodes:
            if episode.name not in store.spans:
                continue
            assert episode.steps is not None
            count, gap = store.count(episode.name), frames_apart(gap_s, episode.fps)
            begin = executed_actions(episode, count).taken[: max(0, count - gap)]
            i = np.flatnonzero(begin + steps <= len(episode.steps))
            chunk = episode.steps.action[begin[i, None] + np.arange(steps)]  # [m, steps, a]
            first.append(store.offset(episode.name) + i)
            second.append(store.offset(episode.name) + i + gap)
            actions.append(chunk.reshape(len(i), -1))
        normal = np.tile(action.mean, steps), np.tile(action.std, steps)
        super().__init__(first, second, actions, normal)


def _spread(action: NDArray[np.floating]) -> NDArray[np.floating]:
    spread = action.std(0)
    spread[spread < 1e-9] = 1.0  # an action that never changes
    return spread


def frames_apart(gap_s: float, fps: float) -> int:
    """A gap in whole frames, one at least."""
    return max(1, round(gap_s * fps))
