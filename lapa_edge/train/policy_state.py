"""The robot's state beside the video: which frames have one, and what it is normalised by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Steps
from lapa_edge.data.labels import Labels
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import StateSpec


@dataclass(frozen=True, eq=False)
class FrameStates:
    """Per label: state ``f32 [m, s]`` in physical units, 0 where unknown; known ``bool [m]``."""

    state: NDArray[np.float32]
    known: NDArray[np.bool_]


def measure_state(dataset: Dataset) -> StateSpec:
    """The state's names, and the mean and deviation over every labelled clip.

    Raises:
        DataError: no clip has steps.
    """
    steps = [episode.steps for episode in dataset.episodes if episode.steps is not None]
    if dataset.robot is None or not steps:
        raise DataError(
            f"data {dataset.root}", "no clip has steps, so there is no state to tell the policy",
            "leave --state out, or give a dataset with labelled clips in it",
        )  # fmt: skip
    state = np.concatenate([part.state for part in steps]).astype(np.float64)
    return StateSpec(
        names=dataset.robot.state_names,
        mean=tuple(state.mean(0).tolist()),
        # A dimension that never moves must not blow up its noise.
        std=tuple(np.maximum(state.std(0), 1e-2).tolist()),
    )


def states_at(dataset: Dataset, labels: Labels, spec: StateSpec) -> FrameStates:
    """The newest state at or before each labelled frame, as a robot would know it.

    Raises:
        ConfigError: the dataset's robot has another state than `spec`.
    """
    if dataset.robot is None or dataset.robot.state_names != spec.names:
        found = dataset.robot.state_names if dataset.robot else ()
        raise ConfigError(
            f"data {dataset.root}",
            f"expected states {', '.join(spec.names)}, got {', '.join(found) or 'none'}",
            "give the data that the run was started with",
        )
    state = np.zeros((len(labels.frame), len(spec.names)), np.float32)
    known = np.zeros(len(labels.frame), np.bool_)
    clips, counts = np.unique(labels.clip, return_counts=True)
    rows = np.split(np.argsort(labels.clip, kind="stable"), np.cumsum(counts)[:-1])
    of_clip = dict(zip(clips.tolist(), rows, strict=True))
    for episode in dataset.episodes:
        if episode.steps is None or episode.name not in of_clip:
            continue
        at = of_clip[episode.name]
        step = newest_step(episode.steps, labels.frame[at] / episode.fps)
        at, step = at[step >= 0], step[step >= 0]
        state[at], known[at] = episode.steps.state[step], True
    return FrameStates(state, known)


def newest_step(steps: Steps, time_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Per time, the last step at or before it; -1 before the first."""
    # The small shift keeps 3 / 10 s in the step at 0.3 s.
    return np.searchsorted(steps.time_s, time_s + 1e-6, side="right").astype(np.int64) - 1
