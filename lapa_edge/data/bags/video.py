"""A bag's image topic as a clip: which images are its frames, and the frames themselves.

Time is the log time, when the recorder received a message. Where every image lies within half a
period of an even rate, all images are frames at that rate. Where they do not, for images were
dropped or came in bursts, frames lie on an even grid at the median rate and each is the image
nearest to it: a second stays a second, and an image may serve twice or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.bags.file import opened_bag
from lapa_edge.data.bags.image import frame_of
from lapa_edge.data.source import Frame, Stamp, file_stamp
from lapa_edge.errors import DataError


@dataclass(frozen=True, eq=False)
class BagVideo:
    """A clip that is an image topic of a bag (a `FrameSource`).

    Attributes:
        path: file or rosbag2 folder.
        topic: the camera.
        picks: int64 [t], for each frame the number of its image within the topic, ascending.
    """

    path: Path
    topic: str
    picks: NDArray[np.int64] = field(repr=False)

    def read(self) -> Iterator[Frame]:
        """Decode the images that are frames, one at a time.

        Yields:
            uint8 [h, w, 3] RGB, all of one size.

        Raises:
            DataError: the bag is damaged or has changed, or an image cannot be decoded.
        """
        uses = np.bincount(self.picks)
        size: tuple[int, ...] = ()
        number = -1
        with opened_bag(self.path) as bag:
            for number, (kind, data) in enumerate(islice(bag.messages(self.topic), len(uses))):
                if uses[number] == 0:
                    continue
                thing = f"{self}, image {number}"
                frame = frame_of(bag.decode_message(kind, data), thing)
                size = size or frame.shape
                if frame.shape != size:
                    raise DataError(
                        thing,
                        f"expected {size[1]}x{size[0]} pixels like the first, "
                        f"got {frame.shape[1]}x{frame.shape[0]}",
                        "cut the bag where the camera's mode changed",
                    )
                for _ in range(uses[number]):
                    yield frame
        if number + 1 < len(uses):
            raise DataError(str(self), f"expected {len(uses)} images, got {number + 1}")

    def stamp(self) -> Stamp:
        """Changes when another camera is chosen or a file of the bag is rewritten."""
        files = [self.path]
        with suppress(OSError):
            files = sorted(self.path.iterdir())
        return [self.topic, *(part for file in files for part in file_stamp(file))]

    def __str__(self) -> str:
        return f"bag {self.path}, {self.topic}"


def regular_frames(thing: str, times: NDArray[np.int64]) -> tuple[float, NDArray[np.int64]]:
    """Choose the images that are frames, so that frame ``i`` lies at ``i / fps`` seconds.

    Args:
        thing: what the images are, for messages.
        times: int64 [m], log times in ns.

    Returns:
        The rate in Hz, and int64 [t]: the number of the image for each frame, ascending. All of
        them, once each, where none lies more than half a period beside an even rate.

    Raises:
        DataError: fewer than two images, times that go back or stand still, or bursts so uneven
            that more than half of the frames would be repetitions.
    """
    count = len(times)
    if count < 2:
        raise DataError(thing, f"expected at least 2 images, got {count}", "leave the bag out")
    gaps_s = np.diff(times) / 1e9
    if gaps_s.min() < 0 or times[-1] == times[0]:
        raise DataError(thing, "the log times of its images do not increase", "leave the bag out")
    time_s = (times - times[0]) / 1e9  # [m]
    period_s = time_s[-1] / (count - 1)
    if np.abs(time_s - np.arange(count) * period_s).max() <= period_s / 2:
        return 1 / period_s, np.arange(count)
    usual_s = float(np.median(gaps_s))
    if usual_s * 2 * count < time_s[-1]:
        raise DataError(
            thing,
            f"{count} images in {time_s[-1]:g} s, but half of them within {usual_s:g} s of the one "
            "before: no even rate describes them",
            "cut the bag where the camera paused, or leave it out",
        )
    grid_s = np.arange(round(time_s[-1] / usual_s) + 1) * usual_s  # [t]
    after = np.clip(np.searchsorted(time_s, grid_s), 1, count - 1)
    nearer = grid_s - time_s[after - 1] <= time_s[after] - grid_s
    return 1 / usual_s, after - nearer
