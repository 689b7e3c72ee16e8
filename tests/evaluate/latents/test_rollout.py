"""Imagined video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lapa_edge.data.video import read_video_info
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.latents.rollout import (
    Imagined,
    codes_in_turn,
    find_start,
    imagine,
    parse_codes,
    true_future,
)
from lapa_edge.evaluate.latents.rollout_pictures import check_suffix, write_rollout
from lapa_edge.spec import LatentSpec

LATENT = LatentSpec(n=2, k=3, d=1, gap_s=0.4)


def test_each_imagined_frame_is_the_next_ones_first(world: Any, oracle: Any) -> None:
    frame = world.store.all[0]
    codes = np.array([[2, 1], [2, 1], [1, 0]], np.int32)
    imagined = imagine(oracle, frame, 3, codes_in_turn(codes))
    assert np.array_equal(imagined.frames[-1], np.roll(frame, (-8, 16), axis=(0, 1)))
    assert np.array_equal(imagined.codes, codes)


def test_a_chooser_sees_the_imagined_frame(world: Any, oracle: Any) -> None:
    seen = []

    def choose(frame: np.ndarray, step: int) -> np.ndarray:
        seen.append(frame)
        return np.array([2, 1], np.int32)

    imagined = imagine(oracle, world.store.all[0], 2, choose)
    assert np.array_equal(seen[1], imagined.frames[1])


def test_codes_are_read_step_by_step() -> None:
    assert parse_codes("0 1; 2,2 ;1 0;", LATENT).tolist() == [[0, 1], [2, 2], [1, 0]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 1; 2", "expected 2 codes in step 2, got 1"),
        ("0 3", "expected 0 to 2 in step 1, got 3"),
        ("0 -1", "expected 0 to 2 in step 1, got -1"),
        ("0 1.5", "whole numbers in step 1, got '0 1.5'"),
        ("", "expected 2 codes in step 1, got 0"),
        ("0 1;; 0 1", "expected 2 codes in step 2, got 0"),
    ],
)
def test_wrong_codes_are_named_by_their_step(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_codes(text, LATENT)
    assert problem in str(refused.value)


def test_a_start_outside_the_clip_is_refused(world: Any) -> None:
    assert find_start(world.store, 10.0, "clip 3", 3.9) == 39
    for start_s in (3.91, -0.1, float("nan")):
        with pytest.raises(ConfigError, match=r"expected 0 to 3\.9 seconds"):
            find_start(world.store, 10.0, "clip 3", start_s)


def test_an_unknown_clip_lists_near_names(world: Any) -> None:
    with pytest.raises(ConfigError, match=r"got 'clip3'; near it: clip 3"):
        find_start(world.store, 10.0, "clip3", 0.0)


def test_the_true_future_goes_on_gap_by_gap(world: Any) -> None:
    frames = true_future(world.store, 10.0, "clip 1", 2, 0.4, None)
    assert np.array_equal(frames, world.store.all[42:80:4])
    assert len(true_future(world.store, 10.0, "clip 1", 2, 0.4, 3)) == 4
    with pytest.raises(DataError, match=r"10 steps of 0\.4 s after 0\.2 s, it holds 9"):
        true_future(world.store, 10.0, "clip 1", 2, 0.4, 10)
    with pytest.raises(DataError, match="it holds 0; start earlier"):
        true_future(world.store, 10.0, "clip 1", 38, 0.4, None)


@pytest.fixture
def imagined(world: Any, oracle: Any) -> Imagined:
    codes = np.array([[2, 1]] * 10, np.int32)
    return imagine(oracle, world.store.all[0], 10, codes_in_turn(codes))


def test_the_video_shows_the_truth_beside_it(imagined: Imagined, tmp_path: Path) -> None:
    alone, beside = tmp_path / "alone.mp4", tmp_path / "beside.mp4"
    write_rollout(alone, imagined, None, 0.4)
    strip = write_rollout(beside, imagined, imagined.frames, 0.4)
    info = read_video_info(beside)
    assert (info.frame_count, info.fps) == (11, 2.5)
    assert info.width == 2 * read_video_info(alone).width
    with Image.open(strip) as image, Image.open(alone.with_suffix(".png")) as single:
        assert image.width == single.width == 8 * 144  # eleven stills on two lines
        assert image.height > 1.8 * single.height - 40


def test_a_gif_lasts_as_long_as_the_video(imagined: Imagined, tmp_path: Path) -> None:
    write_rollout(tmp_path / "a.gif", imagined, None, 0.4)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 11
        assert image.info["duration"] == 400


@pytest.mark.parametrize("name", ["a.webm", "a", "a.png"])
def test_a_suffix_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a name in \.mp4"):
        check_suffix(Path(name))
