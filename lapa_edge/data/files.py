"""Files that are either whole or absent, and folders held alone or in turn: what writers share."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lapa_edge.errors import ConfigError


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


@contextmanager
def held_alone(folder: Path, thing: str) -> Iterator[None]:
    """Hold a folder against other writers; the kernel lets go even of a killed process's lock.

    Raises:
        ConfigError: another process holds it; ``thing`` names the folder.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            problem = "another process is writing there"
            raise ConfigError(thing, problem, "wait for it, or stop it") from error
        yield


@contextmanager
def held_in_turn(lock: Path) -> Iterator[None]:
    """Hold the file ``lock``, waiting for its turn; for work that the next one finds done."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
