"""The libraries of the ``inspect`` extra, imported where they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from lapa_edge.errors import MissingDependencyError


def import_extra(module: str) -> Any:
    """A module of scikit-learn, matplotlib or Pillow.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".", maxsplit=1)[0]
        raise MissingDependencyError(
            package, f"is not installed ({error})", "pip install 'lapa-edge[inspect]'"
        ) from error
