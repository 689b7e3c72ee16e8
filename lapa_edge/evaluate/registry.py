"""Environments by name. Each is optional; asking for one that is missing says how to install it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environment import Environment


@dataclass(frozen=True)
class Entry:
    """One family of tasks."""

    build: Callable[[str], Environment]
    tasks: Callable[[], tuple[str, ...]]
    install: str


def _metaworld(task: str) -> Environment:
    from lapa_edge.evaluate.metaworld import MetaWorld

    return MetaWorld(task)


def _metaworld_tasks() -> tuple[str, ...]:
    from lapa_edge.evaluate.metaworld import INSTRUCTIONS

    return tuple(INSTRUCTIONS)


ENVIRONMENTS = {
    "metaworld": Entry(_metaworld, _metaworld_tasks, "pip install 'lapa-edge[demo]'"),
}


def find_entry(name: str) -> Entry:
    """The family called `name`; `ConfigError` naming those there are for any other."""
    if name not in ENVIRONMENTS:
        known = ", ".join(ENVIRONMENTS)
        raise ConfigError(f"environment {name!r}", "not known", f"one of: {known}")
    return ENVIRONMENTS[name]


def build_environment(name: str, task: str) -> Environment:
    """The environment `name` at `task`.

    Raises:
        ConfigError: no such environment or task.
        MissingDependencyError: its simulator is not installed.
    """
    return find_entry(name).build(task)
