"""Opening every clip of a dataset once: episodes for those that can be read, a line for the rest.

What the readers of files share. A hundred thousand clips take minutes, so they are opened by
several threads (decoders let go of Python's lock) under a progress bar.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

from lapa_edge.data.episode import Episode
from lapa_edge.data.video import VideoFile, read_video_info
from lapa_edge.errors import DataError
from lapa_edge.progress import progress_bar

SHOWN_FROM = 500  # clips; fewer are done before a bar could be read
BATCH = 256  # clips handed to the threads at a time, so that Ctrl-C ends soon

Probe = Callable[[str, Path], Episode]


def probe_clips(clips: Mapping[str, Path], probe: Probe) -> tuple[list[Episode], dict[str, str]]:
    """Open every clip.

    Args:
        clips: where each clip lies, by its name.
        probe: makes an episode of a name and a path, or raises DataError.

    Returns:
        The episodes in the order of ``clips``, and why each of the others is damaged, by name.
    """
    episodes: list[Episode] = []
    damaged: dict[str, str] = {}

    def attempt(clip: tuple[str, Path]) -> Episode | DataError:
        try:
            return probe(*clip)
        except DataError as error:
            return error

    waiting = iter(clips.items())
    bar = progress_bar() if len(clips) >= SHOWN_FROM else None
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool, bar or nullcontext():
        task = bar.add_task("look at clips", total=len(clips)) if bar else None
        while batch := list(islice(waiting, BATCH)):
            for (name, _), result in zip(batch, pool.map(attempt, batch), strict=True):
                if isinstance(result, DataError):
                    damaged[name] = str(result)
                else:
                    episodes.append(result)
            if bar and task is not None:
                bar.advance(task, len(batch))
    return episodes, damaged


def probe_videos(videos: Mapping[str, Path]) -> tuple[list[Episode], dict[str, str]]:
    """`probe_clips` for video files, each of them one episode."""

    def probe(name: str, path: Path) -> Episode:
        info = read_video_info(path)
        return Episode(name, VideoFile(path), info.fps, info.frame_count)

    return probe_clips(videos, probe)
