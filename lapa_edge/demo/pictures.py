"""What the demo shows: what each code does to a frame, and the arms at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import Labels
from lapa_edge.data.video import read_frames, write_video
from lapa_edge.demo.rollouts import video_path
from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.latent_codec import LatentCodec

Picture = NDArray[np.uint8]

CELL, CAPTION, COLUMNS = 144, 16, 8
INK, PAPER = (30, 30, 30), (255, 255, 255)


def draw_codes(
    codec: LatentCodec,
    store: FrameStore,
    labels: Labels,
    clips: Sequence[str],
    path: Path,
) -> None:
    """One row per clip: a frame, then that frame decoded under the commonest code sequences.

    Every second row shows where each decoded frame differs from the frame, doubled.
    """
    counts = Counter(map(tuple, labels.codes.tolist())).most_common(COLUMNS)
    codes = np.array([sequence for sequence, _ in counts], np.int32)  # [c, n]
    total = len(labels.codes)
    titles = ["frame"] + [
        f"{' '.join(map(str, sequence))}  {count / total:.0%}" for sequence, count in counts
    ]
    rows = [_captions(titles)]
    for clip in clips:
        # A quarter into the clip the arm is on its way, and in the picture.
        original = np.array(store.frames(clip)[store.count(clip) // 4][None])
        decoded = codec.decode(original.repeat(len(counts), axis=0), codes)
        change = decoded.astype(np.int16) - original.astype(np.int16)
        amplified = np.clip(128 + 2 * change, 0, 255).astype(np.uint8)
        rows.append(_row([original[0], *decoded]))
        rows.append(_row([np.full_like(original[0], 128), *amplified]))
    Image.fromarray(np.concatenate(rows)).save(path)


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


def _captions(titles: Sequence[str]) -> Picture:
    canvas = Image.new("RGB", (CELL * len(titles), CAPTION), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, title in enumerate(titles):
        draw.text((CELL * i + 4, 2), title, fill=INK)
    return np.asarray(canvas)


def _row(pictures: Sequence[Picture]) -> Picture:
    resized = [np.asarray(Image.fromarray(p).resize((CELL, CELL))) for p in pictures]
    return np.concatenate(resized, axis=1)
