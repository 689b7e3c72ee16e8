"""Small real video files, made where a test runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
def unprivileged(tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
    """A block in which modes count: root, whom they don't bind, is nobody for its length.

    What the block imports late must have been imported before, for nobody may not see it.
    """

    @contextmanager
    def as_nobody() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        closed = [p for p in tmp_path.parents if p.owner() == "root" and not p.stat().st_mode & 0o1]
        modes = {p: p.stat().st_mode for p in (*closed, tmp_path)}
        for path, mode in modes.items():
            path.chmod(mode | 0o055)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
            for path, mode in modes.items():
                path.chmod(mode)

    return as_nobody


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
