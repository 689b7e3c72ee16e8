"""ActionVLA's pretraining data: the video's own steps, where they are the demos' robot's."""

from __future__ import annotations

import logging

from lapa_edge.data.episode import Dataset
from lapa_edge.errors import DataError

log = logging.getLogger(__name__)


def true_actions(video: Dataset, demos: Dataset) -> Dataset:
    """The labelled clips of the video.

    Raises:
        DataError: there are none, or they are another robot's than the demos'.
    """
    labelled = video.labelled
    if not labelled.episodes:
        raise DataError(
            f"video {video.root}",
            f"actionvla learns from true actions, and none of its {len(video.episodes)} clips has "
            "steps",
            "give a labelled dataset as --video, or take vpt",
        )
    check_same_robot(labelled, demos)
    missing = len(video.episodes) - len(labelled.episodes)
    if missing:
        log.warning("actionvla leaves out %d clips of the video, which have no steps", missing)
    return labelled


def check_same_robot(video: Dataset, demos: Dataset) -> None:
    """Raise `DataError` where the two datasets' numbers do not mean the same."""
    for field in type(demos.robot).__dataclass_fields__ if demos.robot else ():
        wanted, found = getattr(demos.robot, field), getattr(video.robot, field)
        if wanted != found:
            raise DataError(
                f"video {video.root}",
                f"robot {field}: expected {wanted} as in the demos, got {found}",
                "pretrain on the robot that the demos were recorded on",
            )
