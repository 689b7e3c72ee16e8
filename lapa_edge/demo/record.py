"""The demo's data: videos without actions in one folder, a handful of labelled demos in another.

video/*.mp4 instructions.csv                            stages 1 and 2 read nothing else
demos/*.mp4 instructions.csv steps.parquet robot.json   stage 3
"""

from __future__ import annotations

from pathlib import Path

from lapa_edge.demo.plan import CAMERA_HZ, ENVIRONMENT, VIDEO_NOISE, Plan
from lapa_edge.evaluate.recording_set import ClipSet, record_sets


def record(plan: Plan, seed: int, video: Path, demos: Path, processes: int) -> None:
    """Record what is not there yet."""
    videos, shown = (plan.scenes(use, seed) for use in ("videos", "demos"))
    record_sets(
        (
            ClipSet(video, ENVIRONMENT, videos, CAMERA_HZ, VIDEO_NOISE, labelled=False),
            ClipSet(demos, ENVIRONMENT, shown, CAMERA_HZ, 0.0, labelled=True),
        ),
        processes,
    )
