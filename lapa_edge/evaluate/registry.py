"""Environments by name. Each is optional; asking for one that is missing says how to install it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lapa_edge.errors import ConfigError, MissingDependencyError
from lapa_edge.evaluate.environment import Entry, Environment, check_task
from lapa_edge.evaluate.environments import language_table, libero, metaworld, pusht, simpler

ENVIRONMENTS = {
    "metaworld": metaworld.ENTRY,
    "pusht": pusht.ENTRY,
    "language_table": language_table.ENTRY,
    "simpler": simpler.ENTRY,
    "libero": libero.ENTRY,
}


def find_entry(name: str) -> Entry:
    """The family called `name`; `ConfigError` naming those there are for any other."""
    if name not in ENVIRONMENTS:
        known = ", ".join(ENVIRONMENTS)
        raise ConfigError(f"environment {name!r}", "not known", f"one of: {known}")
    return ENVIRONMENTS[name]


def build_environment(name: str, task: str, simulator: Path | None = None) -> Environment:
    """The environment `name` at `task`.

    Args:
        simulator: checkout of a simulator that is no package; where None, an environment variable
            may name it (see the entry's `install`).

    Raises:
        ConfigError: no such environment or task, or `simulator` is no checkout of it.
        MissingDependencyError: its simulator is not installed.
    """
    check_environment(name, [task], simulator)
    return find_entry(name).build(task, simulator)


def check_environment(name: str, tasks: Sequence[str], simulator: Path | None = None) -> None:
    """Raise what `build_environment` would, before any work; its simulator is not started."""
    entry = find_entry(name)
    for task in tasks:
        check_task(name, task, entry.step_limits)
    if simulator and not entry.from_checkout:
        raise ConfigError(
            f"simulator {simulator}", f"{name} is an installed package", "leave the path out"
        )
    if missing := entry.missing(simulator):
        raise MissingDependencyError(
            f"environment {name}", f"not installed: {missing}", entry.install
        )
