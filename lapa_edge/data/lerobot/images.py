"""Frames that LeRobot keeps as images inside its Parquet files.

A row holds {bytes, path}: the encoded image (PNG as LeRobot writes it), or, without bytes, the
place of the image below the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapa_edge.data.image import decode_image, read_image
from lapa_edge.data.source import Frame, Stamp, file_stamp
from lapa_edge.errors import DataError

BATCH = 16  # encoded images held at a time


@dataclass(frozen=True)
class ImageRows:
    """Consecutive rows of a Parquet column of images (a `FrameSource`).

    Attributes:
        root: the dataset, below which stored paths lie.
        path: the Parquet file.
        column: its column of images.
        first_row: the clip's first row in the file.
        frame_count: rows of the clip.
    """

    root: Path
    path: Path
    column: str
    first_row: int
    frame_count: int

    def read(self) -> Iterator[Frame]:
        """Decode the clip's images; rows of other clips are never decoded.

        Yields:
            uint8 [h, w, 3] RGB.

        Raises:
            DataError: the file, a row or an image is missing or damaged.
        """
        row = self.first_row
        try:
            for image in self._rows():
                yield self._decode(image, row)
                row += 1
        except (pa.ArrowException, OSError, KeyError) as error:
            raise DataError(str(self), f"cannot be read ({error})") from error
        got = row - self.first_row
        if got != self.frame_count:
            raise DataError(str(self), f"expected {self.frame_count} rows, got {got}")

    def stamp(self) -> Stamp:
        """Changes when the file is rewritten or the rows are others."""
        return [*file_stamp(self.path), self.column, self.first_row, self.frame_count]

    def __str__(self) -> str:
        return f"images {self.column} of {self.path} from row {self.first_row}"

    def _rows(self) -> Iterator[Any]:
        """The clip's {bytes, path}, reading only the row groups that hold them."""
        with pq.ParquetFile(self.path) as file:
            groups: list[int] = []
            start = 0
            skip, end = self.first_row, self.first_row + self.frame_count
            for group in range(file.metadata.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if start < end and start + count > self.first_row:
                    skip = self.first_row - start if not groups else skip
                    groups.append(group)
                start += count
            left = self.frame_count
            for batch in file.iter_batches(BATCH, groups, [self.column]):
                here = batch.column(self.column)[skip : skip + left]
                skip, left = max(skip - batch.num_rows, 0), left - len(here)
                yield from here.to_pylist()

    def _decode(self, image: Any, row: int) -> Frame:
        thing = f"image {self.column} of {self.path}, row {row}"
        content = image.get("bytes") if isinstance(image, dict) else None
        if content is None:
            stored = image.get("path") if isinstance(image, dict) else None
            if not stored:
                raise DataError(thing, "expected {bytes, path}, got neither")
            place = self.root / stored
            if not place.resolve().is_relative_to(self.root.resolve()):
                raise DataError(thing, f"its path {stored} leads out of the dataset")
            return read_image(place)
        return decode_image(content, thing)
