"""One record of an RLDS shard in, one episode out: its numbers now, its images when they are read.

By RLDS's convention the last step of an episode (``is_last``) shows where the robot arrived and its
action means nothing: an episode of t frames that marks it has t - 1 steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Episode, Steps
from lapa_edge.data.rlds.features import IS_LAST, EpisodeFeatures
from lapa_edge.data.rlds.files import Shard
from lapa_edge.data.rlds.frames import RecordFrames
from lapa_edge.data.rlds.tf_example import Value, parse_example
from lapa_edge.data.rlds.tfrecord import Record
from lapa_edge.errors import DataError


def read_episode(shard: Shard, record: Record, features: EpisodeFeatures, fps: float) -> Episode:
    """Put a record's numbers together; its images stay where they are.

    Args:
        shard: where the record lies.
        record: one episode.
        features: which of the record's features are what.
        fps: frames and steps per second.

    Returns:
        An episode of t frames and of as many steps as are not marked ``is_last``; without steps
        where the features have no action or every step is a last one.

    Raises:
        DataError: the record is damaged, is no Example, lacks a feature or has one of another
            length, or a number of a step is not finite.
    """
    values = record_values(shard, record, features.names)
    thing = _thing(shard, record)
    frames = values.get(features.camera, ())
    if isinstance(frames, np.ndarray) or not len(frames):
        raise DataError(thing, f"it holds no images in {features.camera}")
    return Episode(
        name=f"{shard.label}-{record.index:05d}",
        video=RecordFrames(shard.path, record.index, record.offset, features.camera),
        fps=fps,
        frame_count=len(frames),
        instruction=_instruction(values, features.language, len(frames), thing),
        steps=_steps(values, features, len(frames), fps, thing),
    )


def record_values(
    shard: Shard, record: Record, names: Collection[str] | None = None
) -> dict[str, Value]:
    """The features of a record, as `parse_example` gives them.

    Raises:
        DataError: the record is damaged or no Example.
    """
    if record.damage is not None:
        raise record.damage
    return parse_example(record.payload, _thing(shard, record), names)


def _steps(
    values: Mapping[str, Value], features: EpisodeFeatures, t: int, fps: float, thing: str
) -> Steps | None:
    """The steps that have an action; None where none has."""
    valid = np.ones(t, dtype=bool)
    if features.is_last:
        valid = _matrix(values, ((IS_LAST, 1),), t, thing)[:, 0] == 0
    if not features.action or not valid.any():
        return None
    return Steps(
        time_s=np.flatnonzero(valid) / fps,
        state=_matrix(values, features.state, t, thing)[valid],
        action=_matrix(values, features.action, t, thing)[valid],
        source=thing,
    )


def _matrix(
    values: Mapping[str, Value], parts: tuple[tuple[str, int], ...], t: int, thing: str
) -> NDArray[np.float32]:
    """float32 [t, sum of widths]: flat lists, cut into steps and joined."""
    columns = [np.zeros((t, 0), dtype=np.float32)]
    for name, width in parts:
        value = values.get(name)
        if not isinstance(value, np.ndarray) or len(value) != t * width:
            got = "none" if value is None else f"{len(value)}"
            kind = "numbers" if value is None or isinstance(value, np.ndarray) else "byte strings"
            raise DataError(
                thing,
                f"{name}: expected {t} x {width} numbers, one row per frame, got {got} {kind}",
            )
        columns.append(value.reshape(t, width).astype(np.float32))
    return np.concatenate(columns, axis=1)


def _instruction(values: Mapping[str, Value], names: Sequence[str], t: int, thing: str) -> str:
    """The first text that is not empty; "" where there is none.

    Language Table stores UTF-8 codes, filled up with zeros, of which the first step's are taken.
    """
    for name in names:
        value = values.get(name, ())
        try:
            if isinstance(value, np.ndarray):
                text = bytes(int(code) for code in value[: len(value) // t] if code)
            else:
                text = next((text for text in value if text), b"")
            if text:
                return text.decode()
        except (ValueError, OverflowError) as error:  # bad codes, or bytes that are no UTF-8
            raise DataError(thing, f"{name}: expected UTF-8 text ({error})") from error
    return ""


def _thing(shard: Shard, record: Record) -> str:
    return f"shard {shard.path}, record {record.index}"
