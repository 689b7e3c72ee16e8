"""Tiny video datasets for tests: a square that moves the way the instruction says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders.videos import write_instructions, write_labels
from lapa_edge.data.video import write_video

ROBOT = RobotSpec(
    control_hz=20.0,
    state_names=("x_m", "y_m"),
    action_names=("dx", "dy"),
    action_low=(-1.0, -1.0),
    action_high=(1.0, 1.0),
    action_units=("px/step", "px/step"),
)
FPS, FRAMES = 10.0, 12
WAYS = {"right": (1.0, 0.0), "left": (-1.0, 0.0), "down": (0.0, 1.0)}


def write_clips(root: Path, count: int, labelled: bool, seed: int = 0) -> Path:
    """`count` clips of 12 frames of 48 x 48; `labelled` adds steps at twice the camera's rate."""
    rng = np.random.default_rng(seed)
    texts, steps = {}, {}
    root.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        way, (dx, dy) = list(WAYS.items())[i % len(WAYS)]
        start = rng.integers(14, 24, 2)
        frames = [_frame(start + t * np.array([dx, dy])) for t in range(FRAMES)]
        write_video(root / f"clip_{i}.mp4", frames, FPS)
        texts[f"clip_{i}"] = f"move the square {way}"
        time_s = np.arange(2 * FRAMES - 2) / ROBOT.control_hz
        state = start + time_s[:, None] * FPS * np.array([dx, dy])
        steps[f"clip_{i}"] = Steps(time_s, state, np.tile((dx / 2, dy / 2), (len(time_s), 1)))
    write_instructions(root, texts)
    if labelled:
        write_labels(root, ROBOT, steps)
    return root


def _frame(corner: NDArray[np.float64]) -> NDArray[np.uint8]:
    frame = np.full((48, 48, 3), 40, np.uint8)
    x, y = (int(v) for v in corner)
    frame[y : y + 10, x : x + 10] = (220, 60, 30)
    return frame
