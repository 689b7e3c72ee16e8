"""Whether a simulator is here: an installed package, or a checkout that the user points to."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from lapa_edge.errors import ConfigError


def absent(*modules: str) -> tuple[str, ...]:
    """Those of the top-level modules that cannot be imported; none of them is imported."""
    return tuple(name for name in modules if find_spec(name) is None)


def find_checkout(variable: str, given: Path | None, marker: str) -> Path | None:
    """The simulator's checkout: `given`, else what the environment variable says, else None.

    Args:
        variable: of the process's environment; workers inherit it.
        given: by a flag or an argument.
        marker: a file or folder that tells a checkout of this simulator, relative to it.

    Raises:
        ConfigError: the path is no such checkout.
    """
    source = f"simulator {given}" if given else f"{variable}={os.environ.get(variable, '')}"
    path = given or (Path(os.environ[variable]) if os.environ.get(variable) else None)
    if path is None:
        return None
    if not (path / marker).exists():
        problem = f"expected a checkout with {marker}, " + (
            "it is not there" if path.is_dir() else "there is no such folder"
        )
        raise ConfigError(source, problem, "pass the folder that the repository was cloned to")
    return path.resolve()


@contextmanager
def importing_from(*folders: Path) -> Iterator[None]:
    """Let imports find what lies in `folders`, first; `sys.path` is as before afterwards."""
    before = list(sys.path)
    sys.path[:0] = [str(folder) for folder in folders]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
