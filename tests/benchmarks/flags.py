"""What the benchmarks' flags have in common: checked before anything is measured."""

from __future__ import annotations

import math
import os
from pathlib import Path

from lapa_edge.errors import ConfigError

STOPPED = "stopped; nothing was written"


def check_whole(flag: str, value: int, least: int) -> None:
    """Raise `ConfigError` below `least`."""
    if value < least:
        raise ConfigError(flag, f"expected {least} or more, got {value}")


def check_positive(flag: str, value: float) -> None:
    """Raise `ConfigError` for what is no finite number above 0."""
    if not 0 < value < math.inf:
        raise ConfigError(flag, f"expected a finite number above 0, got {value}")


def check_json(path: Path | None) -> None:
    """Raise `ConfigError` where the report could not be written in the end."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigError("--json", f"expected a file, got the folder {path}")
    if not path.parent.is_dir():
        raise ConfigError("--json", f"expected a folder that exists, got {path.parent}", "make it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError("--json", f"expected a place that may be written, got {path}")
