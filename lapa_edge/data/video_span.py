"""A stretch of a video file as a frame source: several episodes may share one file.

Only the stretch is decoded: the reader seeks to the key frame at or before its start and goes by
presentation times from there, so that no neighbour's frame is ever given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av.video.reformatter import VideoReformatter

from lapa_edge.data.source import Frame, Stamp, file_stamp
from lapa_edge.data.video import count_frames, opened, to_rgb
from lapa_edge.errors import DataError


@dataclass(frozen=True)
class VideoSpan:
    """The frames from ``start_s`` to before ``end_s`` of a video file (a `FrameSource`).

    Times are rounded to the nearest frame, for sums of durations are never exact.

    Attributes:
        path: the file.
        fps: frames per second.
        frame_count: frames that must lie in the stretch.
        start_s: time of the first frame, in seconds of the file.
        end_s: time after the last frame; infinite for the end of the file.
    """

    path: Path
    fps: float
    frame_count: int
    start_s: float = 0.0
    end_s: float = math.inf

    def read(self) -> Iterator[Frame]:
        """Decode the stretch.

        Yields:
            uint8 [h, w, 3] RGB.

        Raises:
            DataError: the file is missing or damaged, or the stretch holds fewer or more frames
                than ``frame_count``; raised where that is met, after the frames before it.
        """
        low_s, high_s = self.start_s - 0.5 / self.fps, self.end_s - 0.5 / self.fps
        count = 0
        with opened(self.path) as (container, stream):
            stream.thread_type = "AUTO"
            converter = VideoReformatter()
            for frame in _decode_from(container, stream, self.start_s, 0.5 / self.fps):
                if frame.time is None:
                    raise DataError(f"video {self.path}", "a frame has no presentation time")
                if frame.time < low_s:
                    continue
                if frame.time >= high_s:
                    break
                count += 1
                if count > self.frame_count:
                    raise self._wrong_count(f"{count} or more")
                yield to_rgb(frame, converter)
        if count < self.frame_count:
            raise self._wrong_count(str(count))

    def stamp(self) -> Stamp:
        """Changes when the file is rewritten or the stretch is another."""
        return [*file_stamp(self.path), self.start_s, self.end_s, self.fps, self.frame_count]

    def __str__(self) -> str:
        return f"video {self.path} from {self.start_s:g} s"

    def _wrong_count(self, got: str) -> DataError:
        end = "the end" if math.isinf(self.end_s) else f"{self.end_s:g} s"
        return DataError(
            f"video {self.path}",
            f"expected {self.frame_count} frames from {self.start_s:g} s to {end}, got {got}",
            "the file and the list of its episodes differ: copy the dataset again",
        )


def count_video_frames(path: Path) -> int:
    """Frames that decoding the file will give, found without decoding any.

    Raises:
        DataError: the file is missing, not a video, or cut short.
    """
    with opened(path) as (container, stream):
        return count_frames(path, container, stream)


def _decode_from(container: Any, stream: Any, start_s: float, half_s: float) -> Iterator[Any]:
    """Frames from a key frame at or before ``start_s`` on, in the order they are shown.

    Containers seek by decoding time, which runs ahead of what is shown where frames are
    reordered: a seek may land behind the wanted frame, and is then repeated from farther back.
    """
    back_s = 0.0
    while True:
        at_s = max(start_s - back_s, 0.0)
        container.seek(math.floor(at_s / stream.time_base), stream=stream)
        frames = container.decode(stream)
        first = next(frames, None)
        found = first is not None and first.time is not None and first.time < start_s + half_s
        if found or at_s == 0:
            break
        back_s = 2 * back_s or 1.0
    if first is not None:
        yield first
    yield from frames
