"""Small real video files, made where a test runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.episode import RobotSpec
from lapa_edge.data.source import Frame
from lapa_edge.data.video import write_video

MakeClip = Callable[..., Path]


def moving_square(count: int, height: int = 48, width: int = 64) -> list[Frame]:
    """A bright square that walks right by two pixels a frame over a dark ground."""
    frames = np.full((count, height, width, 3), 40, dtype=np.uint8)
    for i in range(count):
        left = 2 * i % (width - 8)
        frames[i, 8:16, left : left + 8] = (220, 60, 30)
    return list(frames)


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    def make(name: str = "clip.mp4", count: int = 20, fps: float = 10.0) -> Path:
        path = tmp_path / name
        write_video(path, moving_square(count), fps)
        return path

    return make


@pytest.fixture
def robot() -> RobotSpec:
    return RobotSpec(
        control_hz=20.0,
        state_names=("x", "y"),
        action_names=("dx", "dy", "gripper"),
        action_low=(-1.0, -1.0, 0.0),
        action_high=(1.0, 1.0, 1.0),
        action_units=("m", "m", ""),
    )
