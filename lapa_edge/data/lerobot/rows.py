"""The numbers of a LeRobot dataset: one Parquet row per frame, of one episode or of many.

Both versions keep the same columns; images beside them are not touched here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from lapa_edge.data.episode import Steps
from lapa_edge.data.folders.steps import LIST, list_matrix, read_columns
from lapa_edge.data.lerobot.manifest import ACTION, STATE, EpisodePlace, Info, vector_names
from lapa_edge.errors import DataError

BASE = pa.schema(
    [
        ("episode_index", pa.int64()),
        ("frame_index", pa.int64()),
        ("timestamp", pa.float64()),
        ("task_index", pa.int64()),
    ]
)
ROUNDING_S = 1e-4  # LeRobot's own tolerance between a timestamp and its frame


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one data file.

    episode, frame, task ``int64 [rows]``; time_s ``f64 [rows]``, seconds within the episode;
    state ``f32 [rows, s]`` and action ``f32 [rows, a]``, None where the dataset lacks one.
    """

    path: Path
    episode: NDArray[np.int64]
    frame: NDArray[np.int64]
    task: NDArray[np.int64]
    time_s: NDArray[np.float64]
    state: NDArray[np.float32] | None
    action: NDArray[np.float32] | None

    def of(self, place: EpisodePlace) -> slice:
        """Where the rows of an episode lie.

        Raises:
            DataError: there are more or fewer than its length, or they are out of order.
        """
        runs = self._runs.get(place.index, [])
        count = sum(run.stop - run.start for run in runs)
        if count != place.length:
            raise DataError(
                f"table {self.path}",
                f"expected {place.length} rows of episode {place.index}, got {count}",
            )
        if len(runs) > 1 or not np.array_equal(self.frame[runs[0]], np.arange(place.length)):
            raise DataError(
                f"table {self.path}",
                f"expected frame_index 0 to {place.length - 1} in order for episode "
                f"{place.index}, got another order",
            )
        return runs[0]

    @cached_property
    def _runs(self) -> dict[int, list[slice]]:
        """Unbroken stretches of rows, by episode."""
        runs: dict[int, list[slice]] = {}
        edges = np.flatnonzero(np.diff(self.episode)) + 1
        bounds = [0, *edges.tolist(), len(self.episode)]
        for start, stop in pairwise(bounds):
            if stop > start:
                runs.setdefault(int(self.episode[start]), []).append(slice(start, stop))
        return runs

    def steps(self, rows: slice, fps: float) -> Steps | None:
        """The robot's steps, None where the dataset lacks states or actions.

        A timestamp that is a frame's time but for its float32 is taken as that frame's time, lest
        its step saw the frame before.

        Raises:
            DataError: a value is not finite, or time does not increase.
        """
        if self.state is None or self.action is None:
            return None
        time_s = self.time_s[rows] - self.time_s[rows.start]
        if (np.diff(time_s) > 0).all():  # else `Steps` refuses them as they are
            frame_s = np.arange(len(time_s)) / fps
            rounding_s = ROUNDING_S + 2 * np.finfo(np.float32).eps * np.abs(self.time_s[rows])
            time_s = np.where(np.abs(time_s - frame_s) <= rounding_s, frame_s, time_s)
        return Steps(
            time_s,
            self.state[rows],
            self.action[rows],
            f"{self.path}, rows {rows.start} to {rows.stop - 1}",
        )


def is_labelled(info: Info) -> bool:
    """Whether the dataset has both states and actions."""
    return STATE in info.features and ACTION in info.features


def read_rows(path: Path, info: Info, camera: str = "") -> Rows:
    """Read one data file, without its images.

    Args:
        path: a Parquet file.
        info: the dataset's ``info.json``.
        camera: key of an image column that must be there; empty for none.

    Raises:
        DataError: the file is missing or damaged, or a column is missing, of another type, or
            of another width than ``info.json`` says.
    """
    vectors = (STATE, ACTION) if is_labelled(info) else ()
    present = read_schema(path)
    missing = [
        n for n in (*BASE.names, *vectors, *filter(None, [camera])) if n not in present.names
    ]
    if missing:
        raise DataError(
            f"table {path}",
            f"columns {', '.join(missing)} are missing, it has {', '.join(present.names)}",
        )
    schema = BASE
    for key in vectors:
        kind = LIST if _is_list(present.field(key).type) else pa.float32()
        schema = schema.append(pa.field(key, kind))
    table = read_table(path, schema)
    matrices = {key: _matrix(path, table, key, len(vector_names(info, key))) for key in vectors}
    return Rows(
        path,
        episode=table["episode_index"].to_numpy(),
        frame=table["frame_index"].to_numpy(),
        task=table["task_index"].to_numpy(),
        time_s=table["timestamp"].to_numpy(),
        state=matrices.get(STATE),
        action=matrices.get(ACTION),
    )


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read columns as `read_columns` does, also where the file is missing or unreadable.

    Raises:
        DataError: missing, damaged, or a column is missing, of another type, or has nulls.
    """
    try:
        return read_columns(path, schema)
    except FileNotFoundError as error:
        raise DataError(f"table {path}", "no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"table {path}", f"not a readable Parquet table ({error})") from error


def read_schema(path: Path) -> pa.Schema:
    """The Arrow schema of a Parquet file.

    Raises:
        DataError: missing or damaged.
    """
    try:
        return pq.read_schema(path)
    except FileNotFoundError as error:
        raise DataError(f"table {path}", "no such file") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"table {path}", f"not a readable Parquet table ({error})") from error


def _is_list(kind: pa.DataType) -> bool:
    return pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)


def _matrix(path: Path, table: pa.Table, key: str, width: int) -> NDArray[np.float32]:
    """A column of lists, or of plain numbers where there is one only, as float32 [rows, width]."""
    if _is_list(table[key].type):
        matrix = list_matrix(path, table, key)
    else:
        matrix = table[key].to_numpy().astype(np.float32)[:, None]
    if len(matrix) and matrix.shape[1] != width:
        got = matrix.shape[1]
        raise DataError(f"table {path}", f"{key}: expected {width} numbers in a row, got {got}")
    return matrix.reshape(-1, width)
