"""RLDS datasets (BridgeData V2, Open X-Embodiment, Language Table) in, labelled episodes out.

Read from TFDS's TFRecord shards without TensorFlow. `files` finds the shards of a split,
`features` says which of their features are what, and `episode` puts a record together.
Here every shard is passed over once for its numbers; `frames` decodes images when they are
asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset, Episode, RobotSpec
from lapa_edge.data.rlds.episode import read_episode, record_values
from lapa_edge.data.rlds.features import (
    EpisodeFeatures,
    Features,
    choose_features,
    inspect_features,
    joined_names,
    read_features,
)
from lapa_edge.data.rlds.files import (
    KNOWN_FPS,
    Shard,
    find_folder,
    find_shards,
    known_fps,
    missing_shards,
)
from lapa_edge.data.rlds.tfrecord import OVERHEAD, iterate_records
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.progress import progress_bar

LONG_BYTES = 256_000_000  # less is read before a progress bar could be seen
MARGIN = 0.01  # of an action's range, by which its limits are wider than the data
INSPECTED = 16  # records, where no file tells the features

Advance = Callable[[int], None]


def is_rlds(root: Path) -> bool:
    """Whether ``root``, or TFDS's folder of a version in it, holds TFRecord shards."""
    try:
        return find_folder(root) is not None
    except DataError:  # several versions: reading says so
        return True
    except OSError:
        return False


def read_rlds(
    root: Path,
    *,
    split: str = "train",
    camera: str = "",
    fps: float | None = None,
    max_damaged: float = MAX_DAMAGED,
) -> Dataset:
    """Read the episodes of one split, in the order of the shards; no image is decoded.

    Args:
        root: the folder of the shards, or the one above TFDS's ``1.0.0``.
        split: ``train``, ``val`` (``val``, else ``validation``, else ``test``) or ``all``.
        camera: below ``steps/observation/``; empty takes the first of `FIRST_CAMERAS` that is
            there (``image_0``, ``image_primary``, ``image``, ``rgb`` and so on).
        fps: frames and steps per second, which RLDS does not store; None for a dataset that
            `KNOWN_FPS` knows.
        max_damaged: share of the episodes, 0 to 1, that may be damaged. What lies behind a cut in a
            shard counts as one.

    Returns:
        Episodes named by shard and record. `choose_features` says how state and action are put
        together. The robot's limits are the least and greatest action of the split and 0, which
        stops the robot, widened by a hundredth. Shards that are not there are told in ``skipped``.

    Raises:
        DataError: nothing can be read, no feature is an image, or too many episodes are damaged.
        ConfigError: no such split or camera, or the frame rate is not known.
    """
    folder = find_folder(root)
    if folder is None:
        raise DataError(f"dataset {root}", "no TFRecord shards", "expected NAME-SPLIT.tfrecord-*")
    shards = find_shards(folder, split)
    filled = [shard for shard in shards if shard.records != 0]  # an empty one is an empty file
    if not filled:
        raise DataError(f"dataset {root}", f"its shards of {split} hold no episodes")
    rate = _frame_rate(folder, shards, fps)
    listed = read_features(folder)
    features = choose_features(
        _inspect(folder, filled) if listed is None else listed, camera, f"dataset {folder}"
    )
    episodes: list[Episode] = []
    damaged: list[str] = []
    with _progress(sum(shard.path.stat().st_size for shard in filled)) as advance:
        for shard in filled:
            read, lines = _read_shard(shard, features, rate, advance)
            episodes += read
            damaged += lines
    check_damage(f"dataset {root}", damaged, len(episodes) + len(damaged), max_damaged)
    skipped = (*missing_shards(shards), *damaged)
    return Dataset(root, tuple(episodes), _robot(episodes, features, rate), skipped)


def _frame_rate(folder: Path, shards: Sequence[Shard], fps: float | None) -> float:
    rate = known_fps(folder, shards) if fps is None else fps
    if rate is None:
        raise ConfigError(
            "fps",
            f"RLDS does not store the frame rate, and {folder} is none of the datasets known by "
            f"name ({', '.join(KNOWN_FPS)})",
            "give the frames per second of the recording",
        )
    if not (math.isfinite(rate) and rate > 0):
        raise ConfigError("fps", f"expected more than 0, got {rate}")
    return rate


def _inspect(folder: Path, shards: Sequence[Shard]) -> Features:
    """The features of the first record that looks whole, for one may be damaged."""
    reasons: list[str] = []
    seen: list[Features] = []
    for features in islice(_features_of_records(shards, reasons), INSPECTED):
        seen.append(features)
        kinds = {feature.kind for feature in features.values()}
        if "image" in kinds and "uneven" not in kinds:
            return features
    if not seen:
        raise DataError(
            f"dataset {folder}",
            f"no record of its {len(shards)} shards is readable: {reasons[0]}",
        )
    return seen[0]


def _features_of_records(shards: Sequence[Shard], reasons: list[str]) -> Iterator[Features]:
    """Inspect each record; why one could not be read is added to ``reasons``."""
    for shard in shards:
        try:
            for record in iterate_records(shard.path):
                try:
                    yield inspect_features(record_values(shard, record))
                except DataError as error:
                    reasons.append(str(error))
        except DataError as error:
            reasons.append(str(error))


def _read_shard(
    shard: Shard, features: EpisodeFeatures, fps: float, advance: Advance
) -> tuple[list[Episode], list[str]]:
    """A shard's episodes, and a line for each that is damaged."""
    episodes: list[Episode] = []
    damaged: list[str] = []
    count, lost = 0, ""
    try:
        for record in iterate_records(shard.path):
            count += 1
            advance(len(record.payload) + OVERHEAD)
            try:
                episodes.append(read_episode(shard, record, features, fps))
            except DataError as error:
                damaged.append(str(error))
    except DataError as error:
        lost = str(error)
    missing = (shard.records or 0) - count
    if lost and missing > 0:
        lost += f" ({missing} of its {shard.records} episodes)"
    elif missing > 0:
        lost = f"shard {shard.path}: {count} of the {shard.records} episodes of dataset_info.json"
    return episodes, [*damaged, lost] if lost else damaged


def _robot(episodes: Sequence[Episode], features: EpisodeFeatures, fps: float) -> RobotSpec | None:
    """The robot with the limits that the actions show; None where nothing is labelled."""
    actions = [episode.steps.action for episode in episodes if episode.steps is not None]
    if not actions:
        return None
    # float64, for a margin must be seen beside the greatest float32 too.
    low = np.min([action.min(axis=0) for action in actions], axis=0).astype(np.float64)
    high = np.max([action.max(axis=0) for action in actions], axis=0).astype(np.float64)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    margin = np.maximum(MARGIN * (high - low), 1e-6)
    names = joined_names(features.action)
    return RobotSpec(
        control_hz=fps,
        state_names=joined_names(features.state),
        action_names=names,
        action_low=tuple((low - margin).tolist()),
        action_high=tuple((high + margin).tolist()),
        action_units=("",) * len(names),
    )


@contextmanager
def _progress(total: int) -> Iterator[Advance]:
    """A bar in megabytes where reading lasts."""
    if total < LONG_BYTES:
        yield lambda count: None
        return
    with progress_bar() as bar:
        task = bar.add_task("read episodes (MB)", total=total / 1e6)
        yield lambda count: bar.advance(task, count / 1e6)
