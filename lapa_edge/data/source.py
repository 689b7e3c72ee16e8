"""Where a clip's frames come from: each reader of this room brings a source, decoded when read.

An episode holds one; the frame store reads it once, and asks for its stamp to notice a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # [h, w, 3] RGB
Stamp = list[int | float | str]


class FrameSource(Protocol):
    """The frames of one clip; ``str()`` names them in messages."""

    def read(self) -> Iterator[Frame]:
        """Decode from the first frame to the last.

        Yields:
            uint8 [h, w, 3] RGB.

        Raises:
            DataError: the frames are missing, damaged or cut short.
        """

    def stamp(self) -> Stamp:
        """Changes when the frames may have; never raises, for reading tells what is wrong."""


def file_stamp(path: Path) -> Stamp:
    """Size and time of change of a file; empty where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]
