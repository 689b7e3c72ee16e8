"""How the robot truly moved between the two frames of a pair, where the data says so.

The actions are taken as displacements per step, so that their sum is the *relative* motion over
the gap: a probe of positions would reward a model that merely sees where the arm is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Episode
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.motion import executed_actions
from lapa_edge.evaluate.latents.sample import Indices, PairSample


@dataclass(frozen=True, eq=False)
class Motion:
    """True motion of a sample of pairs.

    Attributes:
        names, units: of the action dimensions.
        value: float64 [m, a], sum of the actions executed between the frames.
        known: bool [m], whether the recorded steps cover the whole gap; value is 0 where not.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    value: NDArray[np.float64]
    known: NDArray[np.bool_]


def true_motion(dataset: Dataset, store: FrameStore, sample: PairSample) -> Motion | None:
    """The motion between the frames of each pair; None where no pair has recorded steps."""
    episodes = {episode.name: episode for episode in dataset.labelled.episodes}
    if dataset.robot is None or not episodes:
        return None
    value = np.zeros((len(sample), len(dataset.robot.action_names)))
    known = np.zeros(len(sample), np.bool_)
    for index, name in enumerate(sample.names):
        if name in episodes:
            here = np.flatnonzero(sample.clip == index)
            i, j = (frames[here] - store.offset(name) for frames in (sample.first, sample.second))
            inside = _covered(episodes[name], i, j)
            executed = executed_actions(episodes[name], store.count(name))
            value[here[inside]] = executed.total(i[inside], j[inside])
            known[here] = inside
    if not known.any():
        return None
    units = tuple(unit.removesuffix("/step") for unit in dataset.robot.action_units)
    return Motion(dataset.robot.action_names, units, value, known)


def _covered(episode: Episode, i: Indices, j: Indices) -> NDArray[np.bool_]:
    """Whether steps run from frames `i` to frames `j`: the last one lasts as long as the others."""
    assert episode.steps is not None
    time_s = episode.steps.time_s
    period_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    slack_s = max(period_s, 1 / episode.fps) / 2
    starts, ends = i / episode.fps, j / episode.fps
    covered: NDArray[np.bool_] = (starts >= time_s[0] - slack_s) & (
        ends <= time_s[-1] + period_s + slack_s
    )
    return covered
