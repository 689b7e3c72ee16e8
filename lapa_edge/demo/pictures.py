"""What the demo shows beside what each code does to a frame: the arms at work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lapa_edge.data.video import read_frames, write_video
from lapa_edge.demo.rollouts import video_path
from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.latents.pictures import CAPTION, CELL, INK, PAPER, Picture


def draw_rollouts(
    methods: Sequence[str],
    answers: dict[str, list[JobAnswer]],
    folder: Path,
    path: Path,
    fps: float,
) -> None:
    """One video: a column per task, a row per method, the instruction above, the end held."""
    rows: list[list[Picture]] = []
    for method in methods:
        firsts = sorted((a for a in answers[method] if a.job.video), key=lambda a: a.job.task)
        columns = [_clip(method, answer, folder) for answer in firsts]
        length = max(len(column) for column in columns)
        rows.append(
            [
                np.concatenate([column[min(t, len(column) - 1)] for column in columns], axis=1)
                for t in range(length)
            ]
        )
    length = max(len(row) for row in rows) + round(fps)
    pictures = (np.concatenate([row[min(t, len(row) - 1)] for row in rows]) for t in range(length))
    write_video(path, pictures, fps)


def _clip(method: str, answer: JobAnswer, folder: Path) -> list[Picture]:
    episode = answer.episodes[0]
    frames = list(read_frames(video_path(folder, method, answer.job.task)))
    pictures = []
    for t, frame in enumerate(frames):
        ended = t == len(frames) - 1
        code = " ".join(map(str, episode.codes[min(t, len(episode.codes) - 1)]))
        outcome = "solved" if episode.success else "not solved"
        words = [answer.instruction, f"{method}: {outcome if ended else code or 'no plan'}"]
        pictures.append(_caption_above(frame, words))
    return pictures


def _caption_above(frame: Picture, lines: Sequence[str]) -> Picture:
    wide = 2 * CELL
    canvas = Image.new("RGB", (wide, wide + CAPTION * len(lines)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, line in enumerate(lines):
        draw.text((4, 2 + CAPTION * i), line, fill=INK)
    canvas.paste(Image.fromarray(frame).resize((wide, wide)), (0, CAPTION * len(lines)))
    return np.asarray(canvas)
