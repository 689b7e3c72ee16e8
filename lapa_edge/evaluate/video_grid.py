"""Rollouts side by side in one video: what the policy saw, was told, and said.

A tile shows the frame; below it the latent of the newest look, as the frame that it decodes to
where a latent action model is at hand, and as one coloured bar per code.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lapa_edge import _native
from lapa_edge.data.video import read_frames, write_video
from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.latent_codec import Frames, LatentCodec
from lapa_edge.evaluate.latents.pictures import CAPTION, FONT, INK, PAPER, Picture

SIDE = 224  # pixels: a tile's frame
INSET = 80  # the decoded frame in its corner
BAR = 16
HELD_S = 1.0  # the end of the longest rollout stays this long


@dataclass(frozen=True, eq=False)
class Tile:
    """One rollout: a frame per look ``u8 [t, h, w, 3]`` and the last, when each was, the codes.

    decoded: the frame that each look's codes make of what it saw, or None; k: codebook size.
    """

    frames: Frames
    look_s: Sequence[float]
    codes: Sequence[Sequence[int]]
    instruction: str
    note: str
    solved: bool
    k: int = 0
    decoded: Frames | None = None


def read_tile(answer: JobAnswer, note: str, codec: LatentCodec | None = None) -> Tile:
    """The first rollout of an answer whose job wrote a video."""
    episode, frames = answer.episodes[0], np.stack(list(read_frames(Path(answer.job.video))))
    codes = np.array(episode.codes, np.int32)
    decoded = None
    if codec is not None and codes.size:
        size = codec.frame.height, codec.frame.width
        seen = np.stack([_native.resize_frame(frame, *size) for frame in frames[: len(codes)]])
        decoded = codec.decode(seen, codes)
    return Tile(
        frames=frames,
        # Answers of before looks were timed: evenly.
        look_s=episode.look_s or [float(i) for i in range(len(codes))],
        codes=episode.codes,
        instruction=answer.instruction,
        note=note,
        solved=episode.success,
        k=codec.latent.k if codec else int(codes.max(initial=0)) + 1,
        decoded=decoded,
    )


def write_grid(rows: Sequence[Sequence[Tile]], path: Path, fps: float) -> None:
    """A video of rows of tiles, all on one clock; rollouts that ended hold their last frame."""
    columns = max(len(row) for row in rows)
    end_s = max(_end_s(tile, fps) for row in rows for tile in row) + HELD_S
    blank = np.full_like(draw_tile(rows[0][0], 0.0, fps), 255)

    def pictures() -> Iterator[Picture]:
        for t in range(int(end_s * fps) + 1):
            drawn = [[draw_tile(tile, t / fps, fps) for tile in row] for row in rows]
            yield np.concatenate(
                [np.concatenate(row + [blank] * (columns - len(row)), axis=1) for row in drawn]
            )

    write_video(path, pictures(), fps)


def draw_tile(tile: Tile, now_s: float, fps: float) -> Picture:
    """What a tile shows at `now_s` of its rollout."""
    ended = now_s >= _end_s(tile, fps)
    look = max(0, int(np.searchsorted(tile.look_s, now_s + 1e-6)) - 1)
    frame = tile.frames[-1] if ended else tile.frames[min(look, len(tile.frames) - 1)]
    canvas = Image.new("RGB", (SIDE, SIDE + 2 * CAPTION + BAR), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT)
    outcome = ("solved" if tile.solved else "not solved") if ended else f"{now_s:.1f} s"
    for i, line in enumerate((tile.instruction, f"{tile.note}: {outcome}")):
        draw.text((4, 1 + CAPTION * i), _fitting(line, font), fill=INK, font=font)
    canvas.paste(Image.fromarray(frame).resize((SIDE, SIDE)), (0, 2 * CAPTION))
    if tile.decoded is not None and not ended:
        corner = (SIDE - INSET - 4, 2 * CAPTION + SIDE - INSET - 4)
        draw.rectangle((corner[0] - 2, corner[1] - 2, SIDE - 3, corner[1] + INSET + 1), fill=PAPER)
        canvas.paste(Image.fromarray(tile.decoded[look]).resize((INSET, INSET)), corner)
    _draw_codes(draw, tile.codes[look] if tile.codes else (), tile.k, font)
    return np.asarray(canvas)


def colour(code: int, k: int) -> tuple[int, int, int]:
    """A colour of its own for each of `k` codes."""
    red, green, blue = colorsys.hsv_to_rgb(code / max(1, k), 0.55, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_codes(
    draw: ImageDraw.ImageDraw,
    codes: Sequence[int],
    k: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    top = SIDE + 2 * CAPTION
    for i, code in enumerate(codes):
        left, right = i * SIDE // len(codes), (i + 1) * SIDE // len(codes)
        draw.rectangle((left, top, right - 2, top + BAR - 1), fill=colour(code, k))
        if right - left > 20:
            draw.text((left + 4, top), str(code), fill=INK, font=font)


def _fitting(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The line, or as much of its start as a tile holds."""
    if font.getlength(line) <= SIDE - 8:
        return line
    while line and font.getlength(f"{line}…") > SIDE - 8:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _end_s(tile: Tile, fps: float) -> float:
    return (tile.look_s[-1] if tile.look_s else 0.0) + 1 / fps


def as_grid(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """Rows of at most as many tiles as make the grid about as wide as it is high."""
    wide = max(1, int(np.ceil(np.sqrt(len(tiles)))))
    return [list(tiles[i : i + wide]) for i in range(0, len(tiles), wide)]
