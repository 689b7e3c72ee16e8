"""Files that are either whole or absent: what the writers of this room share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside ``path``, moved onto it when the block ends without an error.

    A writer that is killed leaves the old file as it was; the hidden name is one that the
    readers of this room pass over. The suffix is kept, for encoders choose a format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
