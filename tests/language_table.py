"""A Language Table dataset in small: a square that follows its target, labelled, in two splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lapa_edge.data.video import write_video

SIDE, FRAMES = 48, 14
PIXELS_PER_M = 200.0


def write_language_table(root: Path, train: int = 8, val: int = 4, seed: int = 0) -> Path:
    """`train` and `val` episodes of 14 frames at 10 Hz, 48 x 48; targets in metres."""
    rng = np.random.default_rng(seed)
    episodes: dict[str, list[object]] = {
        key: []
        for key in (
            "episode_index", "name", "instruction", "split", "index", "n_frames", "video128",
        )
    }  # fmt: skip
    steps: dict[str, list[object]] = {
        key: [] for key in ("episode_index", "frame_index", "effector", "effector_target")
    }
    for i in range(train + val):
        ways = rng.integers(-2, 3, (FRAMES - 1, 2))
        ways[rng.random(FRAMES - 1) < 0.3] = 0
        place = np.clip(
            20 + np.concatenate([[[0, 0]], ways.cumsum(0)]), 2, 36
        )  # [t, 2] row, column
        video = f"video128/push_{i:04d}.mp4"
        write_video(root / video, [_frame(*p) for p in place.tolist()], fps=10.0, crf=4)
        split = "train" if i < train else "val"
        for key, value in zip(
            episodes, (i, f"push_{i:04d}", "push", split, i, FRAMES, video), strict=True
        ):
            episodes[key].append(value)
        for t, p in enumerate(place):
            target = (p / PIXELS_PER_M).tolist()
            for key, value in zip(steps, (i, t, target, target), strict=True):
                steps[key].append(value)
    pq.write_table(pa.table(episodes), root / "episodes.parquet")
    pq.write_table(pa.table(steps), root / "steps.parquet")
    return root


def _frame(row: int, column: int) -> np.ndarray:
    frame = np.full((SIDE, SIDE, 3), 40, np.uint8)
    frame[row : row + 10, column : column + 10] = (220, 60, 30)
    return frame
