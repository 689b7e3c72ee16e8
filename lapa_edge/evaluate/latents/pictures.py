"""What codes do to a frame, as rows of pictures with captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.evaluate.latent_codec import Codes, Frames, LatentCodec
from lapa_edge.evaluate.latents.sample import PairSample
from lapa_edge.evaluate.latents.usage import CommonSequences

Picture = NDArray[np.uint8]  # [h, w, 3] RGB

CELL, CAPTION, FONT = 144, 18, 12  # pixels: a cell's width, a caption's height, its letters
INK, PAPER, GREY = (30, 30, 30), (255, 255, 255), 128
CAPTION_CHARACTERS = 22


def start_frames(store: FrameStore, clips: Sequence[str]) -> Frames:
    """A frame of each clip [c, h, w, 3], a quarter in: the arm is on its way, and in view."""
    return np.stack([store.frames(clip)[store.count(clip) // 4] for clip in clips])


def spread_clips(store: FrameStore, count: int) -> list[str]:
    """At most `count` clips, evenly spread over the store; empty ones are passed over."""
    names = [name for name in store.names if store.count(name)]
    chosen = np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int))
    return [names[i] for i in chosen]


def draw_codes(codec: LatentCodec, frames: Frames, common: CommonSequences, path: Path) -> None:
    """One row per frame [r, h, w, 3]: the frame, then what the common sequences make of it.

    Every second row shows where each decoded frame differs from the frame, doubled around grey.
    """
    titles = [
        sequence_title(i, codes, f"{share:.0%}")
        for i, (codes, share) in enumerate(zip(common.codes, common.shares, strict=True))
    ]
    rows = [captions(["frame", *titles])]
    for frame in frames:
        decoded = codec.decode(frame[None].repeat(len(common.codes), axis=0), common.codes)
        rows.append(row([frame, *decoded]))
        rows.append(row([_blank(frame), *amplified(decoded, frame)]))
    save(rows, path)


def draw_transfer(
    codec: LatentCodec,
    frames: Frames,
    sample: PairSample,
    codes: Codes,
    chosen: Sequence[tuple[int, Sequence[int]]],
    path: Path,
) -> None:
    """Codes of one clip at work in others.

    Args:
        codec: the model.
        frames: uint8 [total, h, w, 3], what the sample indexes.
        sample: the pairs.
        codes: theirs, int32 [m, n].
        chosen: pairs of the sample that codes are read from, and for each the pairs of other
            clips whose first frames they are applied to; as many for each.
        path: the PNG.
    """
    rows = []
    for source, targets in chosen:
        index = np.array(targets)
        first = frames[sample.first[source]]
        second = frames[sample.second[source]]
        start = frames[sample.first[index]]
        decoded = codec.decode(start, codes[source][None].repeat(len(index), axis=0))
        pairs = [x for pair in zip(start, decoded, strict=True) for x in pair]
        changes = [x for change in amplified(decoded, start) for x in (_blank(first), change)]
        titles = ["frame in clip A", "the frame after it"]
        name = sequence_title(source, codes[source])
        titles += [t for i in range(len(index)) for t in (f"frame in clip {'BCDEF'[i]}", name)]
        rows += [
            captions(titles),
            row([first, second, *pairs]),
            row([_blank(first), *amplified(second[None], first), *changes]),
        ]
    save(rows, path)


def sequence_title(index: int, codes: NDArray[np.integer], note: str = "") -> str:
    """``3 0 3 7  12%``; the number of the sequence where it is too long for a caption."""
    words = " ".join(map(str, codes.tolist()))
    if len(words) + len(note) > CAPTION_CHARACTERS:
        words = f"sequence {index + 1}"
    return f"{words}  {note}".rstrip()


def amplified(later: Frames, first: NDArray[np.uint8]) -> Frames:
    """The change from `first` to `later`, doubled around mid grey."""
    change = later.astype(np.int16) - first.astype(np.int16)
    return np.clip(GREY + 2 * change, 0, 255).astype(np.uint8)


def captions(titles: Sequence[str], cell: int = CELL) -> Picture:
    """A line of text over each cell."""
    canvas = Image.new("RGB", (cell * len(titles), CAPTION), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT)
    for i, title in enumerate(titles):
        draw.text((cell * i + 4, 1), title, fill=INK, font=font)
    return np.asarray(canvas)


def row(pictures: Sequence[Picture], cell: int = CELL) -> Picture:
    """Pictures side by side, each `cell` wide, in their own proportions."""
    height, width = pictures[0].shape[:2]
    size = cell, max(1, round(cell * height / width))
    return np.concatenate([np.asarray(Image.fromarray(p).resize(size)) for p in pictures], axis=1)


def save(rows: Sequence[Picture], path: Path) -> None:
    """Rows of one width, one below the other, as a PNG."""
    Image.fromarray(np.concatenate(list(rows))).save(path)


def _blank(like: Picture) -> Picture:
    return np.full_like(like, 255)
