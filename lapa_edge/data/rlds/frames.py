"""One camera of one RLDS record as a clip: found by its place in the shard, decoded when read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapa_edge.data.image import decode_image
from lapa_edge.data.rlds.tf_example import parse_example
from lapa_edge.data.rlds.tfrecord import read_record
from lapa_edge.data.source import Frame, Stamp, file_stamp
from lapa_edge.errors import DataError


@dataclass(frozen=True)
class RecordFrames:
    """The images of one feature of one record (a `FrameSource`).

    Attributes:
        shard: the TFRecord file.
        index: the record's number in it, for messages.
        offset: where the record begins, bytes.
        feature: the camera's feature: ``steps/observation/image_0``.
    """

    shard: Path
    index: int
    offset: int
    feature: str

    def read(self) -> Iterator[Frame]:
        """Read the record and decode its images, one after another.

        Yields:
            uint8 [h, w, 3] RGB, all of one size.

        Raises:
            DataError: the record is damaged or gone, an image cannot be decoded, or it has another
                size than the first; raised after the frames before it.
        """
        payload = read_record(self.shard, self.index, self.offset)
        images = parse_example(payload, str(self), [self.feature]).get(self.feature)
        if images is None or isinstance(images, np.ndarray):
            raise DataError(str(self), f"it holds no images in {self.feature}")
        size: tuple[int, ...] = ()
        for i, data in enumerate(images):
            frame = decode_image(data, f"{self}, frame {i} of {self.feature}")
            size = size or frame.shape
            if frame.shape != size:
                raise DataError(
                    str(self),
                    f"frame {i} of {self.feature} is {frame.shape[0]}x{frame.shape[1]}, "
                    f"the first is {size[0]}x{size[1]}",
                    "write the episode again with frames of one size, or remove it",
                )
            yield frame

    def stamp(self) -> Stamp:
        """Changes when the shard is rewritten or another camera is chosen."""
        return [*file_stamp(self.shard), self.offset, self.feature]

    def __str__(self) -> str:
        return f"shard {self.shard}, record {self.index}"
