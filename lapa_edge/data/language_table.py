"""The simulated Language Table dataset in, labelled episodes out.

    root/
      episodes.parquet   one row per episode: name, instruction, split, frame count, video
      steps.parquet      one row per frame: effector and its target, metres, 10 Hz
      video128/          128 x 128 clips

The state is the effector's position. The action is the way that the effector's *target* moved
until the next frame: the commanded action is clipped at the border of the workspace, where it no
longer says what happened.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset, Episode, RobotSpec, Steps, is_labelled
from lapa_edge.data.folders.steps import LIST, list_matrix, read_columns
from lapa_edge.data.video import VideoFile
from lapa_edge.errors import ConfigError, DataError

RATE_HZ = 10.0
ACTION_LIMIT_M = 0.1  # the simulator's action box, per step
SPLITS = ("train", "val", "all")

EPISODES = pa.schema(
    [
        ("episode_index", pa.int64()),
        ("name", pa.string()),
        ("instruction", pa.string()),
        ("split", pa.string()),
        ("index", pa.int64()),
        ("n_frames", pa.int64()),
        ("video128", pa.string()),
    ]
)
STEPS = pa.schema(
    [
        ("episode_index", pa.int64()),
        ("frame_index", pa.int64()),
        ("effector", LIST),
        ("effector_target", LIST),
    ]
)


def is_language_table(root: Path) -> bool:
    """Whether ``root`` has this layout."""
    return (root / "episodes.parquet").is_file() and (root / "steps.parquet").is_file()


def read_language_table(
    root: Path,
    split: str = "train",
    labelled_share: float = 1.0,
    max_damaged: float = MAX_DAMAGED,
) -> Dataset:
    """Read the episodes of one split, sorted by name.

    Args:
        root: the dataset's folder.
        split: ``train``, ``val`` or ``all``.
        labelled_share: share of the episodes that keep their steps, spread evenly over each
            task; 0.1 keeps those whose ``index`` ends in 0.
        max_damaged: share of the episodes, 0 to 1, that may lack their video or rows.

    Returns:
        Episodes of ``n_frames - 1`` steps (the last frame has no action), actions [t, 2] in metres
        per step (x away from the robot, y right), and their robot.

    Raises:
        DataError: a table is missing or malformed, or too many episodes are damaged.
        ConfigError: an unknown split, or a share outside 0 to 1.
    """
    if split not in SPLITS:
        raise ConfigError("split", f"expected one of {', '.join(SPLITS)}, got {split}")
    table_path = root / "steps.parquet"
    table = read_columns(table_path, STEPS)
    effector = list_matrix(table_path, table, "effector")  # [rows, 2]
    target = list_matrix(table_path, table, "effector_target")  # [rows, 2]
    of_episode = _rows_by_episode(table)

    episodes: list[Episode] = []
    damaged: list[str] = []
    for row in read_columns(root / "episodes.parquet", EPISODES).to_pylist():
        if split not in ("all", row["split"]):
            continue
        path = root / row["video128"]
        rows = of_episode.get(row["episode_index"], np.zeros(0, dtype=np.int64))
        if not path.is_file():
            damaged.append(f"video {path}: episodes.parquet names it, it is not there")
            continue
        if len(rows) != row["n_frames"]:
            expected = f"expected {row['n_frames']} rows for {row['name']}"
            damaged.append(f"table {table_path}: {expected}, got {len(rows)}")
            continue
        steps = None
        if is_labelled(row["index"], labelled_share) and len(rows) > 1:
            steps = Steps(
                time_s=np.arange(len(rows) - 1) / RATE_HZ,
                state=effector[rows[:-1]],
                action=np.diff(target[rows], axis=0),
                source=f"{table_path}, {row['name']}",
            )
        episodes.append(
            Episode(
                row["name"],
                VideoFile(path),
                RATE_HZ,
                row["n_frames"],
                row["instruction"],
                steps,
            )
        )
    check_damage(f"dataset {root}", damaged, len(episodes) + len(damaged), max_damaged)
    if not episodes:
        raise DataError(f"table {root / 'episodes.parquet'}", f"no episode has split {split}")
    ordered = tuple(sorted(episodes, key=lambda e: e.name))
    return Dataset(root, ordered, robot_spec(), tuple(damaged))


def robot_spec() -> RobotSpec:
    """The simulated arm: a planar effector whose target moves by at most 0.1 m per step."""
    return RobotSpec(
        control_hz=RATE_HZ,
        state_names=("effector_x", "effector_y"),
        action_names=("target_dx", "target_dy"),
        action_low=(-ACTION_LIMIT_M,) * 2,
        action_high=(ACTION_LIMIT_M,) * 2,
        action_units=("m", "m"),
    )


def _rows_by_episode(table: pa.Table) -> dict[int, NDArray[np.int64]]:
    """Row numbers of each episode in the order of its frames."""
    episode = table["episode_index"].to_numpy()
    order = np.lexsort((table["frame_index"].to_numpy(), episode))
    indices, starts = np.unique(episode[order], return_index=True)
    pieces = np.split(order, starts[1:])
    return dict(zip(indices.tolist(), pieces, strict=True))
