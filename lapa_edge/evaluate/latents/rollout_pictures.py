"""An imagined video on disk: a video to watch and a strip of stills to print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lapa_edge.data.files import replacing
from lapa_edge.data.video import WRITTEN_SUFFIXES, write_video
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.latent_codec import Frames
from lapa_edge.evaluate.latents.pictures import CELL, Picture, captions, row, save
from lapa_edge.evaluate.latents.rollout import Imagined

SUFFIXES = (*WRITTEN_SUFFIXES, ".gif")
PANEL = 288  # pixels; even, for H.264
PER_LINE = 8  # stills


def check_suffix(path: Path) -> None:
    """Raise ConfigError unless `path` names a kind of video that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError("--out", f"expected a name in {' '.join(SUFFIXES)}, got {path.name!r}")


def write_rollout(path: Path, imagined: Imagined, truth: Frames | None, gap_s: float) -> Path:
    """Write the video and, beside it, the strip; returns the strip's path.

    Args:
        path: the video, one frame per gap.
        imagined: what to show.
        truth: uint8 [t + 1, h, w, 3], what really came, shown beside it; or None.
        gap_s: seconds from frame to frame.
    """
    pictures = [_panels(imagined, truth, step, gap_s) for step in range(len(imagined.frames))]
    if path.suffix.lower() == ".gif":
        first, *rest = (Image.fromarray(picture) for picture in pictures)
        with replacing(path) as partial:
            first.save(
                partial, save_all=True, append_images=rest, duration=round(1000 * gap_s), loop=0
            )
    else:
        write_video(path, pictures, 1 / gap_s)
    strip = path.with_suffix(".png")
    with replacing(strip) as partial:
        save(_strip(imagined, truth, gap_s), partial)
    return strip


def _panels(imagined: Imagined, truth: Frames | None, step: int, gap_s: float) -> Picture:
    """One frame of the video: imagined, and the truth to its right."""
    shown = [imagined.frames[step]] + ([] if truth is None else [truth[step]])
    titles = [f"imagined  {_title(imagined, step, gap_s)}", "true"][: len(shown)]
    picture = np.concatenate([captions(titles, PANEL), row(shown, PANEL)])
    return picture[: len(picture) // 2 * 2]


def _strip(imagined: Imagined, truth: Frames | None, gap_s: float) -> list[Picture]:
    rows: list[Picture] = []
    count = len(imagined.frames)
    width = min(count, PER_LINE)
    for start in range(0, count, PER_LINE):
        part = range(start, min(start + PER_LINE, count))
        rows.append(_line(captions([_title(imagined, i, gap_s) for i in part]), width))
        for frames in (imagined.frames, truth):
            if frames is not None:
                rows.append(_line(row([frames[i] for i in part]), width))
    return rows


def _line(picture: Picture, cells: int) -> Picture:
    """Fill the last line up with paper."""
    missing = cells * CELL - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _title(imagined: Imagined, step: int, gap_s: float) -> str:
    codes: Sequence[int] = imagined.codes[step - 1].tolist() if step else []
    words = " ".join(map(str, codes))
    if len(words) > 14:
        words = words[:13] + "…"
    return f"{step * gap_s:.1f} s  {words if step else 'start'}"
