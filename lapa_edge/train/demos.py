"""Labelled demos to training moments: a look at the camera, and control steps after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Episode, RobotSpec, Steps
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import DataError
from lapa_edge.spec import (
    ActionSpec,
    FrameSpec,
    LatentSpec,
    PolicySpec,
    StateSpec,
    TextSpec,
    TimingSpec,
)
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.words import encode_instructions


@dataclass(frozen=True)
class Moments:
    """One batch: `b` looks and ``b * m`` control steps; states and actions are normalised."""

    frame: NDArray[np.int64]  # [b], index into the store
    ids: NDArray[np.int64]  # [b, max_tokens]
    state: NDArray[np.float32]  # [b * m, s]
    last: NDArray[np.float32]  # [b * m, a]
    age: NDArray[np.float32]  # [b * m], share of max_latent_age_s
    chunk: NDArray[np.float32]  # [b * m, p * a]


class DemoMoments:
    """Draws moments from demos whose camera and control run at rates of their own.

    A control step may be answered with any frame taken up to ``max_latent_age_s`` before it.
    Chunks that reach past the end of a demo hold its last action.
    """

    def __init__(
        self,
        spec: PolicySpec,
        tokenizer: Tokenizer,
        dataset: Dataset,
        store: FrameStore,
        moments: int,
    ) -> None:
        self.spec, self.moments = spec, moments
        self.action_dim = len(spec.action.names)
        # Per look: frame in the store, first step it may serve, one past the last, episode.
        looks: list[tuple[int, int, int, int]] = []
        taken: list[float] = []
        stamps, states, actions, lasts, ids = [], [], [], [], []
        words = encode_instructions(tokenizer, dataset)
        steps_before = 0
        # A clip that could not be decoded was named when its frames were read.
        episodes = [episode for episode in dataset.episodes if episode.name in store.spans]
        for number, episode in enumerate(episodes):
            assert episode.steps is not None
            time_s = episode.steps.time_s
            taken_s = np.arange(store.count(episode.name)) / episode.fps
            begin = np.searchsorted(time_s, taken_s - 1e-6)
            end = np.searchsorted(time_s, taken_s + spec.timing.max_latent_age_s + 1e-6)
            offset = store.offset(episode.name)
            for i in np.flatnonzero(end > begin):
                first, last = steps_before + begin[i], steps_before + end[i]
                looks.append((offset + int(i), int(first), int(last), number))
                taken.append(float(taken_s[i]))
            stamps.append(time_s)
            states.append(_normalise(episode.steps.state, spec.state.mean, spec.state.std))
            action = _normalise(episode.steps.action, spec.action.mean, spec.action.std)
            actions.append(_chunks(action, spec.action.chunk))
            stop = _normalise(np.array([spec.action.stop]), spec.action.mean, spec.action.std)
            lasts.append(np.concatenate([stop, action[:-1]]))
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

    def sample(self, rng: np.random.Generator, b: int, drop_last: float) -> Moments:
        """`b` random looks, `moments` steps each; a share `drop_last` of last actions is hidden."""
        look = rng.integers(len(self._frame), size=b)
        begin, end = self._begin[look, None], self._end[look, None]
        step = rng.integers(begin, end, size=(b, self.moments))  # [b, m]
        age_s = self._time_s[step] - self._taken_s[look, None]
        flat = step.ravel()
        shown = rng.random((len(flat), 1)) >= drop_last
        return Moments(
            frame=self._frame[look],
            ids=self._ids[self._episode[look]],
            state=self._state[flat],
            last=np.where(shown, self._last[flat], 0).astype(np.float32),
            age=(age_s.ravel() / self.spec.timing.max_latent_age_s).astype(np.float32),
            chunk=self._chunk[flat],
        )


def spec_from_demos(
    dataset: Dataset,
    frame: FrameSpec,
    latent: LatentSpec | None,
    text: TextSpec,
    timing: TimingSpec,
    context_dim: int,
    chunk: int,
) -> PolicySpec:
    """The spec of an agent grounded by these demos, normalisation measured on them.

    Raises:
        DataError: there are no labelled demos, or nothing says what their numbers mean.
    """
    robot = dataset.robot
    if robot is None or not dataset.episodes:
        raise DataError(
            f"data {dataset.root}", "expected labelled demos (steps.parquet and robot.json)",
            "see the README on labelled data",
        )  # fmt: skip
    state = np.concatenate([_steps(e).state for e in dataset.episodes])
    action = np.concatenate([_steps(e).action for e in dataset.episodes])
    return PolicySpec(
        frame=frame,
        latent=latent,
        context_dim=context_dim,
        state=StateSpec(names=robot.state_names, mean=_mean(state), std=_std(state)),
        action=_action_spec(robot, action, chunk),
        text=text,
        timing=timing,
    )


def _action_spec(robot: RobotSpec, action: NDArray[np.float32], chunk: int) -> ActionSpec:
    return ActionSpec(
        names=robot.action_names,
        units=robot.action_units,
        low=robot.action_low,
        high=robot.action_high,
        mean=_mean(action),
        std=_std(action),
        # Actions are displacements: standing still is zero.
        stop=tuple(0.0 for _ in robot.action_names),
        chunk=chunk,
        control_hz=robot.control_hz,
    )


def _steps(episode: Episode) -> Steps:
    assert episode.steps is not None
    return episode.steps


def _mean(x: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(float(v) for v in x.mean(0, dtype=np.float64))


def _std(x: NDArray[np.float32]) -> tuple[float, ...]:
    # A dimension that never moves must not blow up its noise.
    return tuple(float(max(v, 1e-2)) for v in x.std(0, dtype=np.float64))


def _normalise(
    x: NDArray[np.floating], mean: tuple[float, ...], std: tuple[float, ...]
) -> NDArray[np.float32]:
    return ((x - np.array(mean)) / np.array(std)).astype(np.float32)


def _chunks(action: NDArray[np.float32], p: int) -> NDArray[np.float32]:
    """``[t, a] -> [t, p * a]``: each step with the p - 1 that follow it, the last one repeated."""
    index = np.minimum(np.arange(len(action))[:, None] + np.arange(p), len(action) - 1)
    return action[index].reshape(len(action), -1)
