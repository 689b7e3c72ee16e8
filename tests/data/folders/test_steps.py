from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders.steps import read_steps, write_labels
from lapa_edge.errors import DataError


def make_steps(t: int) -> Steps:
    rng = np.random.default_rng(t)
    return Steps(np.arange(t) / 20, rng.normal(size=(t, 2)), rng.uniform(0, 1, size=(t, 3)))


def rewrite(root: Path, **columns: pa.Array) -> None:
    table = pq.read_table(root / "steps.parquet")
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, root / "steps.parquet")


def test_written_labels_come_back(tmp_path: Path, robot: RobotSpec) -> None:
    written = {"b": make_steps(4), "a": make_steps(7)}
    write_labels(tmp_path, robot, written)
    read_robot, read = read_steps(tmp_path)
    assert read_robot == robot
    assert set(read) == {"a", "b"}
    for clip, steps in written.items():
        np.testing.assert_array_equal(read[clip].time_s, steps.time_s)
        np.testing.assert_array_equal(read[clip].state, steps.state)
        np.testing.assert_array_equal(read[clip].action, steps.action)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["robot.json", "steps.parquet"]


def test_no_labels_at_all_come_back_as_none(tmp_path: Path, robot: RobotSpec) -> None:
    write_labels(tmp_path, robot, {})
    assert read_steps(tmp_path) == (robot, {})


def test_fixed_size_lists_of_doubles_are_read(tmp_path: Path, robot: RobotSpec) -> None:
    write_labels(tmp_path, robot, {"a": make_steps(4)})
    state = pa.array([[0.0, 1.0]] * 4, pa.list_(pa.float64(), 2))
    rewrite(tmp_path, state=state)
    assert read_steps(tmp_path)[1]["a"].state.tolist() == [[0.0, 1.0]] * 4


def test_nan_action_is_refused_with_clip_and_step(tmp_path: Path, robot: RobotSpec) -> None:
    write_labels(tmp_path, robot, {"a": make_steps(4), "b": make_steps(2)})
    rows = [[0.0, 0.0, 0.0]] * 5 + [[0.0, float("nan"), 0.0]]
    rewrite(tmp_path, action=pa.array(rows, pa.list_(pa.float32())))
    with pytest.raises(DataError, match=r"clip b: action: expected finite .* in step 1"):
        read_steps(tmp_path)


@pytest.mark.parametrize(
    ("name", "column", "problem"),
    [
        ("state", pa.array([[0.0, 0.0], [0.0]]), "state: expected 2 numbers in every row, got 1"),
        ("state", pa.array([[0.0, 0.0], [0.0, None]]), "state: expected finite numbers"),
        ("state", pa.array([[0.0, 0.0], None]), "column state has 1 empty entries"),
        ("clip", pa.array(["a", None]), "column clip has 1 empty entries"),
        ("state", pa.array(["p", "q"]), "not the expected Parquet table"),
        ("time_s", pa.array([0.5, 0.25]), "time_s must increase, got 0.5 then 0.25"),
    ],
)
def test_malformed_column_is_refused(
    tmp_path: Path, robot: RobotSpec, name: str, column: pa.Array, problem: str
) -> None:
    write_labels(tmp_path, robot, {"a": make_steps(2)})
    rewrite(tmp_path, **{name: column})
    with pytest.raises(DataError, match=problem):
        read_steps(tmp_path)


def test_missing_column_is_named(tmp_path: Path, robot: RobotSpec) -> None:
    write_labels(tmp_path, robot, {"a": make_steps(2)})
    table = pq.read_table(tmp_path / "steps.parquet").drop_columns(["action"])
    pq.write_table(table, tmp_path / "steps.parquet")
    with pytest.raises(DataError, match="got clip, time_s, state; add action"):
        read_steps(tmp_path)


def test_steps_without_their_robot_are_refused(tmp_path: Path, robot: RobotSpec) -> None:
    write_labels(tmp_path, robot, {"a": make_steps(2)})
    (tmp_path / "robot.json").unlink()
    with pytest.raises(DataError, match=r"robot.json: no such file.*describe the robot there"):
        read_steps(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"control_hz": 10}', '{"control_hz": "fast"}'])
def test_malformed_robot_file_is_refused(tmp_path: Path, robot: RobotSpec, text: str) -> None:
    write_labels(tmp_path, robot, {"a": make_steps(2)})
    (tmp_path / "robot.json").write_text(text)
    with pytest.raises(DataError, match=r"robot.json"):
        read_steps(tmp_path)


def test_steps_outside_the_robots_limits_are_not_written(tmp_path: Path, robot: RobotSpec) -> None:
    steps = Steps(np.zeros(1), np.zeros((1, 2)), np.full((1, 3), 1.7))
    with pytest.raises(DataError, match=r"clip a: action dx is 1\.7 in step 0, outside -1 to 1"):
        write_labels(tmp_path, robot, {"a": steps})
    assert not list(tmp_path.iterdir())
