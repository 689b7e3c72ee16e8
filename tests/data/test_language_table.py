from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.language_table import read_language_table
from lapa_edge.errors import ConfigError, DataError

from .conftest import MakeClip

TARGET = np.array([[0.2, 0.0], [0.23, 0.01], [0.23, 0.02]], dtype=np.float32)


@pytest.fixture
def root(make_clip: MakeClip, tmp_path: Path) -> Path:
    """Eleven train episodes and a val episode of three frames each."""
    n = 12
    for i in range(n):
        make_clip(f"video128/push_{i:04d}.mp4", count=3)
    episodes = {
        "episode_index": list(range(n)),
        "name": [f"push_{i:04d}" for i in range(n)],
        "instruction": [f"push {i}" for i in range(n)],
        "split": ["val" if i == 9 else "train" for i in range(n)],
        "index": list(range(n)),
        "n_frames": [3] * n,
        "video128": [f"video128/push_{i:04d}.mp4" for i in range(n)],
    }
    action = [[0.05, 0.01], [0.05, 0.01], [float("nan")] * 2]
    steps = {
        "episode_index": [i for i in range(n) for _ in range(3)],
        "frame_index": [0, 1, 2] * n,
        "action": action * n,
        "effector": (TARGET + 0.001).tolist() * n,
        "effector_target": TARGET.tolist() * n,
    }
    pq.write_table(pa.table(episodes), tmp_path / "episodes.parquet")
    pq.write_table(pa.table(steps), tmp_path / "steps.parquet")
    return tmp_path


def test_action_is_the_way_of_the_effector_target(root: Path) -> None:
    first = read_language_table(root).episodes[0]
    assert (first.name, first.instruction, first.fps) == ("push_0000", "push 0", 10.0)
    assert first.steps is not None
    np.testing.assert_allclose(first.steps.action, np.diff(TARGET, axis=0), atol=1e-7)
    np.testing.assert_allclose(first.steps.state, TARGET[:2] + 0.001, atol=1e-7)
    np.testing.assert_allclose(first.steps.time_s, [0.0, 0.1])
    assert first.step_frames().tolist() == [0, 1]


def test_splits_are_kept_apart(root: Path) -> None:
    assert len(read_language_table(root).episodes) == 11
    assert [e.name for e in read_language_table(root, "val").episodes] == ["push_0009"]
    assert len(read_language_table(root, "all").episodes) == 12
    with pytest.raises(ConfigError, match="expected one of train, val, all, got test"):
        read_language_table(root, "test")


def test_share_keeps_every_tenth_labelled(root: Path) -> None:
    dataset = read_language_table(root, labelled_share=0.1)
    assert len(dataset.episodes) == 11
    assert [e.name for e in dataset.labelled.episodes] == ["push_0000", "push_0010"]


def test_episodes_without_video_or_rows_are_skipped_and_named(root: Path) -> None:
    (root / "video128/push_0003.mp4").unlink()
    dataset = read_language_table(root)
    assert len(dataset.episodes) == 10
    assert "push_0003.mp4: episodes.parquet names it" in dataset.skipped[0]
    table = pq.read_table(root / "steps.parquet")
    pq.write_table(table.slice(0, table.num_rows - 1), root / "steps.parquet")
    with pytest.raises(DataError, match=r"2 of 11 .* expected 3 rows for push_0011, got 2"):
        read_language_table(root)


def test_real_dataset_is_read(shared_data: Path) -> None:
    dataset = read_language_table(shared_data / "language_table_sim")
    assert len(dataset.episodes) == len(dataset.labelled.episodes) == 1143
    assert sum(e.frame_count for e in dataset.episodes) == 70721
    few = read_language_table(shared_data / "language_table_sim", labelled_share=0.1)
    assert {int(e.name[-4:]) % 10 for e in few.labelled.episodes} == {0}
