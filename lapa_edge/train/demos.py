"""Labelled demos to training moments: a look at the camera, and control steps after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import DataError
from lapa_edge.runtime.standstill import standing_still
from lapa_edge.spec import PolicySpec
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.demo_spec import check_demos, normalise, steps_of
from lapa_edge.train.policy_state import newest_step
from lapa_edge.train.words import encode_instructions


@dataclass(frozen=True)
class Moments:
    """One batch: `b` looks and ``b * m`` control steps; states and actions are normalised.

    age: since the frame was taken, a share of ``max_latent_age_s``; index: control steps since its
    latent took over, a share of ``max_latent_age_s * control_hz``.
    """

    frame: NDArray[np.int64]  # [b], index into the store
    ids: NDArray[np.int64]  # [b, max_tokens]
    state: NDArray[np.float32]  # [b * m, s]
    last: NDArray[np.float32]  # [b * m, a]
    age: NDArray[np.float32]  # [b * m]
    index: NDArray[np.float32]  # [b * m], never more than age
    chunk: NDArray[np.float32]  # [b * m, p * a]
    seen_with: NDArray[np.float32]  # [b, s], the newest state at the look, not normalised


class DemoMoments:
    """Draws moments from demos whose camera and control run at rates of their own.

    A control step may be answered with any frame taken up to ``max_latent_age_s`` before it, by a
    policy that took any share of that time to answer. Chunks that reach past the end of a demo
    hold its last action.

    Raises:
        DataError: demos of another robot than the spec's, or no frame has steps after it.
    """

    def __init__(
        self,
        spec: PolicySpec,
        tokenizer: Tokenizer,
        dataset: Dataset,
        store: FrameStore,
        moments: int,
    ) -> None:
        check_demos(spec, dataset)
        self.spec, self.moments = spec, moments
        self.action_dim = len(spec.action.names)
        # Per look: frame in the store, first step it may serve, one past the last, episode.
        looks: list[tuple[int, int, int, int]] = []
        taken: list[float] = []
        stamps, states, actions, lasts, ids, seen_with = [], [], [], [], [], []
        words = encode_instructions(tokenizer, dataset)
        steps_before = 0
        # A clip that could not be decoded was named when its frames were read.
        episodes = [episode for episode in dataset.episodes if episode.name in store.spans]
        for number, episode in enumerate(episodes):
            steps = steps_of(episode)
            time_s = steps.time_s
            taken_s = np.arange(store.count(episode.name)) / episode.fps
            begin = np.searchsorted(time_s, taken_s - 1e-6)
            end = np.searchsorted(time_s, taken_s + spec.timing.max_latent_age_s + 1e-6)
            offset = store.offset(episode.name)
            served = np.flatnonzero(end > begin)
            newest = newest_step(steps, taken_s[served])
            seen_with.append(steps.state[np.maximum(newest, 0)])
            for i in served:
                first, last = steps_before + begin[i], steps_before + end[i]
                looks.append((offset + int(i), int(first), int(last), number))
                taken.append(float(taken_s[i]))
            stamps.append(time_s)
            states.append(normalise(steps.state, spec.state.mean, spec.state.std))
            action = normalise(steps.action, spec.action.mean, spec.action.std)
            actions.append(_chunks(action, spec.action.chunk))
            rest = standing_still(spec.action, steps.state[0])[None]
            rest = normalise(rest, spec.action.mean, spec.action.std)
            lasts.append(np.concatenate([rest, action[:-1]]))
            ids.append(words[episode.name])
            steps_before += len(time_s)
        if not looks:
            raise DataError("demos", "no frame has a control step after it", "check fps and time_s")
        self._frame, self._begin, self._end, self._episode = (
            np.array([look[i] for look in looks], dtype=np.int64) for i in range(4)
        )
        self._taken_s = np.array(taken)
        self._time_s = np.concatenate(stamps)
        self._state, self._chunk = np.concatenate(states), np.concatenate(actions)
        self._last, self._ids = np.concatenate(lasts), np.stack(ids)
        self._seen_with = np.concatenate(seen_with)

    @property
    def actions(self) -> NDArray[np.float32]:
        """``[t, a]``: every step's normalised action, demo after demo."""
        return self._chunk[:, : self.action_dim]

    def sample(self, rng: np.random.Generator, b: int, drop_last: float) -> Moments:
        """`b` random looks, `moments` steps each; a share `drop_last` of last actions is hidden."""
        look = rng.integers(len(self._frame), size=b)
        begin, end = self._begin[look, None], self._end[look, None]
        step = rng.integers(begin, end, size=(b, self.moments))  # [b, m]
        age_s = self._time_s[step] - self._taken_s[look, None]
        # The policy took a share of the age to answer; the latent drives since the tick after.
        hz, longest_s = self.spec.action.control_hz, self.spec.timing.max_latent_age_s
        index = np.floor(age_s * rng.random(age_s.shape) * hz + 1e-6)  # [b, m]
        flat = step.ravel()
        shown = rng.random((len(flat), 1)) >= drop_last
        return Moments(
            frame=self._frame[look],
            ids=self._ids[self._episode[look]],
            state=self._state[flat],
            last=np.where(shown, self._last[flat], 0).astype(np.float32),
            age=(age_s.ravel() / longest_s).astype(np.float32),
            index=(index.ravel() / (longest_s * hz)).astype(np.float32),
            chunk=self._chunk[flat],
            seen_with=self._seen_with[look],
        )


def _chunks(action: NDArray[np.float32], p: int) -> NDArray[np.float32]:
    """``[t, a] -> [t, p * a]``: each step with the p - 1 that follow it, the last one repeated."""
    index = np.minimum(np.arange(len(action))[:, None] + np.arange(p), len(action) - 1)
    return action[index].reshape(len(action), -1)
