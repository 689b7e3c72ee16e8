"""A robot's steps beside a folder of clips: ``steps.parquet`` and ``robot.json``.

``steps.parquet`` has one row per control step: clip (string), time_s (double, seconds since the
clip's first frame), state and action (lists of float). ``robot.json`` holds a `RobotSpec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec, Steps, check_fits
from lapa_edge.data.files import replacing
from lapa_edge.data.folders.instructions import clip_name
from lapa_edge.errors import DataError

STEPS_NAME = "steps.parquet"
ROBOT_NAME = "robot.json"
LIST = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [("clip", pa.string()), ("time_s", pa.float64()), ("state", LIST), ("action", LIST)]
)


def read_steps(root: Path) -> tuple[RobotSpec, dict[str, Steps]]:
    """Read the robot and its steps by clip, each clip's in the order of the file.

    Raises:
        DataError: a file or column is missing, a value is not a finite number, rows differ in
            width, or time does not increase within a clip.
    """
    path = root / STEPS_NAME
    robot = read_robot(root / ROBOT_NAME)
    table = read_columns(path, SCHEMA)
    time_s = table["time_s"].to_numpy()
    state, action = list_matrix(path, table, "state"), list_matrix(path, table, "action")
    names = table["clip"].to_numpy()
    order = np.argsort(names, kind="stable")
    clips, starts = np.unique(names[order], return_index=True)
    pieces = np.split(order, starts[1:]) if len(clips) else []
    steps = {
        clip_name(clip): Steps(time_s[rows], state[rows], action[rows], f"{path}, clip {clip}")
        for clip, rows in zip(clips.tolist(), pieces, strict=True)
    }
    return robot, steps


def write_labels(root: Path, robot: RobotSpec, steps: Mapping[str, Steps]) -> None:
    """Write ``robot.json`` and ``steps.parquet`` into ``root``, each whole or not at all.

    Args:
        root: the folder that holds the clips, or will.
        robot: names, limits and units.
        steps: by clip name.

    Raises:
        DataError: steps do not fit the robot.
    """
    for clip, one in steps.items():
        check_fits(clip, one, robot)
    table = pa.table(
        {
            "clip": [clip for clip, one in steps.items() for _ in range(len(one))],
            "time_s": np.concatenate([np.zeros(0), *(one.time_s for one in steps.values())]),
            "state": [row for one in steps.values() for row in one.state],
            "action": [row for one in steps.values() for row in one.action],
        },
        schema=SCHEMA,
    )
    with replacing(root / ROBOT_NAME) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(robot)) + b"\n")
    with replacing(root / STEPS_NAME) as partial:
        pq.write_table(table, partial)


def read_robot(path: Path) -> RobotSpec:
    """Read a `RobotSpec` from JSON.

    Raises:
        DataError: missing, malformed, or a field is missing or of another type.
    """
    if not path.is_file():
        fields = ", ".join(RobotSpec.__dataclass_fields__)
        raise DataError(
            f"robot {path}",
            f"no such file, but {STEPS_NAME} lies beside it",
            f"describe the robot there: {fields}",
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=RobotSpec)
    except msgspec.MsgspecError as error:
        raise DataError(f"robot {path}", str(error)) from error


def read_columns(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet table with these columns, cast to these types, without nulls.

    Raises:
        DataError: not Parquet, or a column is missing, of another type, or has nulls.
    """
    try:
        present = pq.read_schema(path).names
        missing = [name for name in schema.names if name not in present]
        if missing:
            raise DataError(
                f"table {path}",
                f"expected columns {', '.join(schema.names)}, got {', '.join(present)}",
                f"add {', '.join(missing)}",
            )
        table = pq.read_table(path, columns=schema.names).cast(schema)
    except pa.ArrowException as error:
        raise DataError(f"table {path}", f"not the expected Parquet table ({error})") from error
    for name in schema.names:
        nulls = table[name].null_count
        if nulls:
            raise DataError(f"table {path}", f"column {name} has {nulls} empty entries")
    return table


def list_matrix(path: Path, table: pa.Table, name: str) -> NDArray[np.float32]:
    """A column of lists, all of one length, as float32 [rows, length]; nulls within become NaN.

    Raises:
        DataError: the lists differ in length.
    """
    lengths = pc.list_value_length(table[name]).to_numpy()
    if len(lengths) == 0:
        return np.zeros((0, 0), dtype=np.float32)
    odd = np.flatnonzero(lengths != lengths[0])
    if len(odd):
        raise DataError(
            f"table {path}",
            f"{name}: expected {lengths[0]} numbers in every row, "
            f"got {lengths[odd[0]]} in row {odd[0]}",
        )
    flat: NDArray[np.float32] = pc.list_flatten(table[name]).to_numpy().astype(np.float32)
    return flat.reshape(len(lengths), int(lengths[0]))
