"""What the demo shows beside what each code does to a frame: the arms at work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.video_grid import read_tile, write_grid


def draw_rollouts(
    methods: Sequence[str], answers: dict[str, list[JobAnswer]], path: Path, fps: float
) -> None:
    """One video: a column per task, a row per method, the instruction above, the end held."""
    rows = []
    for method in methods:
        firsts = sorted((a for a in answers[method] if a.job.video), key=lambda a: a.job.task)
        rows.append([read_tile(answer, method) for answer in firsts])
    write_grid(rows, path, fps)
