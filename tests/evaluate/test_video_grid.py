"""Rollouts in one video: each tile shows the frame, the words and the latent of its moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundles import write_tiny_bundle
from toy_environments import Line

from lapa_edge.data.video import read_frames, write_video
from lapa_edge.evaluate import evaluation
from lapa_edge.evaluate.disturbance import Disturbance
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, run_job
from lapa_edge.evaluate.latent_codec import Codes, Encoded, Frames
from lapa_edge.evaluate.latents.pictures import CAPTION
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.evaluate.video_grid import (
    BAR,
    INSET,
    SIDE,
    Tile,
    as_grid,
    colour,
    draw_tile,
    read_tile,
    write_grid,
)
from lapa_edge.spec import FrameSpec, LatentSpec

FPS, HEIGHT = 4.0, SIDE + 2 * CAPTION + BAR
# Rows of a tile: what is told, what is seen, what the policy says.
WORDS, FRAME, CODES = slice(CAPTION), slice(2 * CAPTION, 2 * CAPTION + SIDE), slice(-BAR, None)
GREYS = (40, 90, 140)


def greys(*values: int, height: int = 31, width: int = 47) -> Frames:
    """Plain frames of an odd size."""
    return np.stack([np.full((height, width, 3), value, np.uint8) for value in values])


TILE = Tile(
    frames=greys(*GREYS),
    look_s=(0.0, 0.5),
    codes=((0, 1), (2, 3)),
    instruction="push the red block",
    note="lapa",
    solved=True,
    k=4,
)


def differs(one: Tile, other: Tile, now_s: float = 0.5) -> tuple[bool, bool, bool]:
    """Whether words, frame and codes are drawn otherwise."""
    a, b = draw_tile(one, now_s, FPS), draw_tile(other, now_s, FPS)
    assert a.shape == b.shape == (HEIGHT, SIDE, 3)
    return tuple(not np.array_equal(a[part], b[part]) for part in (WORDS, FRAME, CODES))


def test_a_tile_shows_the_frame_and_the_codes_of_its_newest_look() -> None:
    for now_s, look in ((0.0, 0), (0.25, 0), (0.5, 1), (0.7, 1)):
        drawn = draw_tile(TILE, now_s, FPS)
        assert (drawn[FRAME] == GREYS[look]).all()
        bar = drawn[-2]  # below the digits
        assert tuple(bar[2]) == colour(TILE.codes[look][0], 4)
        assert tuple(bar[SIDE // 2 + 2]) == colour(TILE.codes[look][1], 4)


def test_an_ended_rollout_holds_its_last_frame_and_says_how_it_went() -> None:
    drawn = draw_tile(TILE, 9.0, FPS)
    assert (drawn[FRAME] == GREYS[-1]).all()
    failed = draw_tile(replace(TILE, solved=False), 9.0, FPS)
    outcome = slice(CAPTION, 2 * CAPTION)
    assert not np.array_equal(drawn[outcome], failed[outcome])
    assert np.array_equal(draw_tile(TILE, 0.5, FPS), draw_tile(replace(TILE, solved=False), 0.5, 4))


def test_each_thing_that_is_told_changes_its_own_part_of_the_tile() -> None:
    assert differs(TILE, TILE) == (False, False, False)
    assert differs(TILE, replace(TILE, instruction="push the blue block")) == (True, False, False)
    assert differs(TILE, replace(TILE, codes=((0, 1), (2, 0)))) == (False, False, True)
    assert differs(TILE, replace(TILE, frames=greys(40, 91, 140))) == (False, True, False)
    assert differs(TILE, replace(TILE, decoded=greys(200, 210))) == (False, True, False)


def test_the_decoded_latent_is_an_inset_while_the_rollout_lasts() -> None:
    tile = replace(TILE, decoded=greys(200, 210))
    for now_s, value in ((0.0, 200), (0.5, 210)):
        frame = draw_tile(tile, now_s, FPS)[FRAME]
        inset = frame[SIDE - INSET - 4 : SIDE - 4, SIDE - INSET - 4 : SIDE - 4]
        assert (inset == value).all()
        assert (frame[: SIDE - INSET - 8] == GREYS[0 if now_s == 0 else 1]).all()
    assert (draw_tile(tile, 9.0, FPS)[FRAME] == GREYS[-1]).all()


def test_an_instruction_wider_than_the_tile_stays_on_it() -> None:
    long = replace(TILE, instruction="push " * 100)
    assert differs(long, replace(long, instruction="push " * 100 + "now")) == (False,) * 3
    assert differs(long, replace(TILE, instruction="push")) == (True, False, False)


def test_a_policy_without_codes_has_a_tile_without_bars() -> None:
    drawn = draw_tile(replace(TILE, codes=(), k=1), 0.0, FPS)
    assert (drawn[CODES] == 255).all()


def test_the_grid_is_a_video_of_all_tiles_on_one_clock(tmp_path: Path) -> None:
    short = replace(TILE, frames=greys(220, 230), look_s=(0.0,), codes=((3, 3),))
    grid = as_grid([TILE, short, short])
    assert [len(row) for row in grid] == [2, 1]
    write_grid(grid, tmp_path / "grid.mp4", FPS)
    frames = np.stack(list(read_frames(tmp_path / "grid.mp4")))
    # The longer ends a frame after 0.5 s and is held for a second: 0 to 1.75 s.
    assert frames.shape == (8, 2 * HEIGHT, 2 * SIDE, 3)

    def seen(t: int, row: int, column: int) -> float:
        top, left = row * HEIGHT + 2 * CAPTION, column * SIDE
        return float(frames[t, top + 8 : top + SIDE - 8, left + 8 : left + SIDE - 8].mean())

    assert [round(seen(t, 0, 0), -1) for t in (0, 2, 7)] == [40, 90, 140]
    assert [seen(t, 0, 1) for t in (0, 1, 7)] == pytest.approx([220, 230, 230], abs=4)
    assert seen(0, 1, 1) == pytest.approx(255, abs=4), "a place without a tile is blank"


class Inverting:
    """A codec that decodes a frame to its negative, so that it is known what was decoded."""

    latent = LatentSpec(n=2, k=4, d=3, gap_s=0.1)
    frame = FrameSpec(height=16, width=24)

    def encode(self, first: Frames, second: Frames) -> Encoded:
        raise AssertionError("a grid decodes only")

    def decode(self, first: Frames, codes: Codes) -> Frames:
        assert first.shape == (len(codes), 16, 24, 3)
        return 255 - first


def test_a_tile_is_read_from_an_answer_and_its_video(tmp_path: Path) -> None:
    video = tmp_path / "seen.mp4"
    write_video(video, greys(*GREYS, height=32, width=48), 10.0)
    job = RolloutJob(
        bundle="b", environment="e", task="t", seeds=(0, 1), latency_s=0.0, video=str(video)
    )
    first = Episode(seed=0, success=True, codes=[(0, 1), (2, 3)], look_s=[0.0, 0.5])
    answer = JobAnswer(
        job=job, instruction="push", episodes=[first, Episode(seed=1)], torch_imported=False
    )
    tile = read_tile(answer, "lapa", Inverting())
    assert (tile.instruction, tile.note, tile.solved, tile.k) == ("push", "lapa", True, 4)
    assert tile.frames.shape == (3, 32, 48, 3)
    assert tile.decoded is not None
    assert tile.decoded.mean((1, 2, 3)) == pytest.approx([255 - 40, 255 - 90], abs=4)
    write_grid([[tile]], tmp_path / "grid.mp4", 10.0)
    assert next(iter(read_frames(tmp_path / "grid.mp4"))).shape == (HEIGHT, SIDE, 3)
    assert read_tile(answer, "lapa").decoded is None


def test_a_rollout_whose_every_frame_was_lost_has_a_tile_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    monkeypatch.setattr(evaluation, "build_environment", lambda *_: Line(goal=1e9))
    job = RolloutJob(
        bundle=str(tmp_path / "bundle"), environment="line", task="walk", seeds=(9,),
        latency_s=0.0, video=str(tmp_path / "seen.mp4"), disturbance=Disturbance(frame_drop=1.0),
    )  # fmt: skip
    answer = run_job(job)
    (episode,) = answer.episodes
    assert episode.stops == episode.steps and episode.lost > 0 and not episode.codes
    tile = read_tile(answer, "lapa")
    assert tile.frames.shape == (1, 16, 16, 3), "the last frame, for what was seen is nothing"
    write_grid([[tile]], tmp_path / "grid.mp4", 10.0)
    assert next(iter(read_frames(tmp_path / "grid.mp4"))).shape == (HEIGHT, SIDE, 3)
