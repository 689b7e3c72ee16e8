"""A LeRobot dataset, v2.1 or v3.0, in; episodes with instructions and steps out.

The state is the feature ``observation.state``, the action ``action``; a dataset that lacks one is
read as unlabelled video. Clips are named ``episode_000000`` and so on, by index. The instruction
is the task of an episode's first frame, also where later frames have another. Units are not
known, for LeRobot keeps none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset, Episode, RobotSpec, check_fits
from lapa_edge.data.lerobot.images import ImageRows
from lapa_edge.data.lerobot.manifest import (
    ACTION,
    STATE,
    EpisodePlace,
    Info,
    Manifest,
    choose_camera,
    read_info,
    split_range,
    vector_names,
)
from lapa_edge.data.lerobot.rows import Rows, is_labelled, read_rows
from lapa_edge.data.lerobot.v2 import read_v2
from lapa_edge.data.lerobot.v3 import read_v3
from lapa_edge.data.source import FrameSource
from lapa_edge.data.video_span import VideoSpan, count_video_frames
from lapa_edge.errors import DataError

MARGIN = 0.01  # share of its value by which the limits of a constant action are moved apart


def is_lerobot(root: Path) -> bool:
    """Whether ``root`` has this layout, of whatever version."""
    try:
        return (root / "meta" / "info.json").is_file()
    except OSError:
        return False


def read_lerobot(
    root: Path, *, split: str = "train", camera: str = "", max_damaged: float = MAX_DAMAGED
) -> Dataset:
    """Read the episodes of one split, in the order of their index; no frame is decoded.

    The limits of each action are those of the dataset's statistics, else those of the episodes
    read.

    Args:
        root: the dataset's folder.
        split: ``train``, ``val``, ``test`` or ``all``; where ``info.json`` names no splits, all is
            ``train``.
        camera: key of a video or image feature, or its last part; empty takes the first.
        max_damaged: share of the episodes, 0 to 1, that may be damaged.

    Raises:
        DataError: the dataset is malformed or of an unknown version, or too many episodes are
            damaged.
        ConfigError: an unknown split or camera.
    """
    info = read_info(root)
    camera = choose_camera(root, info, camera)
    manifest = read_manifest(root, info, camera)
    wanted = split_range(root, info, split)
    places = [place for place in manifest.places if place.index in wanted]
    if not places:
        raise DataError(f"LeRobot dataset {root}", f"split {split} holds no episode")

    reader = _Reader(root, manifest, camera)
    episodes: list[Episode] = []
    damaged: list[str] = []
    for place in places:
        try:
            episodes.append(reader.read(place))
        except DataError as error:
            damaged.append(f"clip {place.name}: {error}")
    check_damage(f"LeRobot dataset {root}", damaged, len(places), max_damaged)

    robot = robot_spec(root, manifest, episodes) if is_labelled(info) else None
    kept = []
    for episode in episodes:
        try:
            if episode.steps is not None:
                check_fits(episode.name, episode.steps, robot)
        except DataError as error:
            damaged.append(str(error))
        else:
            kept.append(episode)
    check_damage(f"LeRobot dataset {root}", damaged, len(places), max_damaged)
    return Dataset(root, tuple(kept), robot, tuple(damaged))


def read_manifest(root: Path, info: Info | None = None, camera: str = "") -> Manifest:
    """What ``meta/`` tells of either version.

    Args:
        root: the dataset's folder.
        info: its ``info.json`` where already read.
        camera: full key of the camera whose videos are wanted; empty for none.

    Raises:
        DataError: a file is missing or malformed.
    """
    info = info or read_info(root)
    video = camera if camera and info.features[camera].dtype == "video" else ""
    return (read_v2 if info.codebase_version == "v2.1" else read_v3)(root, info, video)


def robot_spec(root: Path, manifest: Manifest, episodes: list[Episode]) -> RobotSpec:
    """The robot behind the steps, its limits the lowest and highest actions on record.

    Raises:
        DataError: the statistics are of another width than the action.
    """
    info = manifest.info
    states, actions = vector_names(info, STATE), vector_names(info, ACTION)
    limits = manifest.action_limits
    if limits is not None and {len(limits[0]), len(limits[1])} != {len(actions)}:
        raise DataError(
            f"LeRobot dataset {root}",
            f"its statistics have {len(limits[0])} and {len(limits[1])} limits of the action, "
            f"info.json says {len(actions)} numbers",
            "let LeRobot compute them again, or remove the file of statistics",
        )
    if limits is None or not np.isfinite(limits).all():
        values = [e.steps.action for e in episodes if e.steps is not None]
        low, high = (np.array([reach(v, axis=0) for v in values]) for reach in (np.min, np.max))
        limits = low.min(0).tolist(), high.max(0).tolist()
    low, high = np.array(limits, dtype=np.float64)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)  # actions must be able to stop
    apart = np.where(low < high, 0.0, np.maximum(MARGIN * np.abs(low), 1e-3))
    return RobotSpec(
        control_hz=info.fps,
        state_names=states,
        action_names=actions,
        action_low=tuple((low - apart).tolist()),
        action_high=tuple((high + apart).tolist()),
        action_units=("",) * len(actions),
    )


class _Reader:
    """Reads episodes one by one; a file that several share is opened once."""

    def __init__(self, root: Path, manifest: Manifest, camera: str) -> None:
        self.root, self.manifest, self.camera = root, manifest, camera
        self._rows: tuple[Path, Rows | DataError] | None = None
        self._frames: dict[Path, int | DataError] = {}

    def read(self, place: EpisodePlace) -> Episode:
        """Read an episode.

        Raises:
            DataError: it is damaged.
        """
        fps = self.manifest.info.fps
        rows = self._rows_of(place)
        here = rows.of(place)
        task = int(rows.task[here.start])
        if task not in self.manifest.tasks:
            known = len(self.manifest.tasks)
            raise DataError(
                f"table {rows.path}", f"task_index {task} is not among the {known} tasks"
            )
        return Episode(
            place.name,
            self._source(place, rows.path, here.start),
            fps,
            place.length,
            self.manifest.tasks[task],
            rows.steps(here, fps),
        )

    def _source(self, place: EpisodePlace, data: Path, first_row: int) -> FrameSource:
        if place.video is None:
            return ImageRows(self.root, data, self.camera, first_row, place.length)
        fps, video = self.manifest.info.fps, place.video
        spanned = (video.end_s - video.start_s) * fps
        if not 0 <= video.start_s < video.end_s or not (
            abs(spanned - place.length) < 0.5 or spanned == np.inf
        ):
            raise DataError(
                f"video {video.path}",
                f"expected {place.length} frames at {fps:g} fps, its entry says {video.start_s:g} "
                f"to {video.end_s:g} s",
            )
        self._check_video(place)
        return VideoSpan(video.path, fps, place.length, video.start_s, video.end_s)

    def _check_video(self, place: EpisodePlace) -> None:
        """Raise DataError where the file is missing, cut, or too short for this episode."""
        assert place.video is not None
        video = place.video
        there = self._frames.get(video.path)
        if there is None:
            try:
                there = count_video_frames(video.path)
            except (DataError, OSError) as error:
                there = error if isinstance(error, DataError) else _unreadable(video.path, error)
            self._frames[video.path] = there
        if isinstance(there, DataError):
            raise there
        alone = video.end_s == np.inf
        needed = place.length if alone else round(video.end_s * self.manifest.info.fps)
        if there < needed or (alone and there != needed):
            raise DataError(f"video {video.path}", f"expected {needed} frames, it holds {there}")

    def _rows_of(self, place: EpisodePlace) -> Rows:
        """The data file of an episode; the newest one is kept, for episodes lie in order."""
        if self._rows is None or self._rows[0] != place.data:
            info = self.manifest.info
            image = self.camera if info.features[self.camera].dtype == "image" else ""
            found: Rows | DataError
            try:
                found = read_rows(place.data, info, image)
            except DataError as error:
                found = error
            self._rows = place.data, found
        if isinstance(self._rows[1], DataError):
            raise self._rows[1]
        return self._rows[1]


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"video {path}", f"cannot be opened ({error.strerror})")
