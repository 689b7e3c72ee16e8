"""A world so simple that the right answers are known, and models that know them or do not.

A square walks over a plain ground that has no borders, ten frames one way, then another. The
oracle reads its motion exactly and draws it exactly; others are spoilt on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Episode, RobotSpec, Steps
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.video import VideoFile
from lapa_edge.evaluate.latent_codec import Codes, Encoded, Frames
from lapa_edge.spec import FrameSpec, LatentSpec

FPS, GAP_S, SIDE, SQUARE, SPEED, COUNT = 10.0, 0.4, 32, 8, 2, 40
ROBOT = RobotSpec(FPS, ("x", "y"), ("dx", "dy", "grip"), (-9.0,) * 3, (9.0,) * 3, ("px",) * 3)


class OracleCodec:
    """Two codes of three: left, rest or right; up, rest or down. The latents are pixels."""

    latent = LatentSpec(n=2, k=3, d=1, gap_s=GAP_S)
    frame = FrameSpec(height=SIDE, width=SIDE)

    def encode(self, first: Frames, second: Frames) -> Encoded:
        moved = (self._place(second) - self._place(first) + SIDE / 2) % SIDE - SIDE / 2
        codes = (np.sign(moved) * (np.abs(moved) > 3) + 1).astype(np.int32)
        latents = moved[:, :, None].astype(np.float32)
        return Encoded(codes, latents, np.zeros(len(first), np.float32))

    def decode(self, first: Frames, codes: Codes) -> Frames:
        way = 4 * SPEED * (codes - 1)
        return np.stack(
            [np.roll(f, (y, x), axis=(0, 1)) for f, (x, y) in zip(first, way, strict=True)]
        )

    def _place(self, frames: Frames) -> NDArray[np.float64]:
        """Angle of the square's mean on a ring of SIDE pixels, [b, 2]."""
        mask = frames[..., 0] > 128
        turn = np.exp(2j * np.pi * np.arange(SIDE) / SIDE)
        places = [np.angle((mask.sum(axis) * turn).sum(1)) for axis in (1, 2)]
        return np.stack(places, axis=1) * SIDE / (2 * np.pi)


class DeafCodec(OracleCodec):
    """Its decoder draws the same motion whatever the codes are."""

    def decode(self, first: Frames, codes: Codes) -> Frames:
        return np.roll(first, 1, axis=2)


@dataclass(frozen=True)
class World:
    dataset: Dataset
    store: FrameStore


def build_world(clips: int, labelled: bool = True, seed: int = 0, count: int = COUNT) -> World:
    rng = np.random.default_rng(seed)
    episodes, frames, spans = [], [], {}
    for i in range(clips):
        ways = rng.integers(-1, 2, (-(-count // 10), 2)).repeat(10, axis=0)[: count - 1] * SPEED
        place = rng.integers(SIDE, size=2) + np.concatenate([[[0, 0]], ways.cumsum(0)])
        ground = np.full((SIDE, SIDE, 3), 40, np.uint8)
        ground[:SQUARE, :SQUARE] = (220, 60, 30)
        spans[f"clip {i}"] = (i * count, count)
        frames += [np.roll(ground, (y, x), axis=(0, 1)) for x, y in place]
        action = np.column_stack([ways, np.zeros(count - 1)])
        steps = Steps(np.arange(count - 1) / FPS, place[:-1], action) if labelled else None
        video = VideoFile(Path(f"{i}.mp4"))
        episodes.append(Episode(f"clip {i}", video, FPS, count, "go", steps))
    robot = ROBOT if labelled else None
    return World(Dataset(Path(), tuple(episodes), robot), FrameStore(np.stack(frames), spans))


@pytest.fixture(scope="session")
def oracle() -> OracleCodec:
    return OracleCodec()


@pytest.fixture
def deaf() -> DeafCodec:
    return DeafCodec()


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(16)


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    return build_world


@pytest.fixture
def wide() -> OracleCodec:
    """The oracle with one code of a thousand, most of which never occur."""

    class Wide(OracleCodec):
        latent = LatentSpec(n=1, k=1000, d=1, gap_s=GAP_S)

        def encode(self, first: Frames, second: Frames) -> Encoded:
            found = super().encode(first, second)
            codes = 900 + found.codes @ np.array([[3], [1]], np.int32)
            return Encoded(codes, found.latents[:, :1], found.distance)

        def decode(self, first: Frames, codes: Codes) -> Frames:
            both = np.concatenate([(codes - 900) // 3, (codes - 900) % 3], axis=1)
            return super().decode(first, both)

    return Wide()
