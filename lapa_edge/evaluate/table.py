"""Evaluation results as tables for the console."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from lapa_edge.errors import LapaError
from lapa_edge.evaluate.summary import MethodResult
from lapa_edge.evaluate.registry import ENVIRONMENTS


def success_table(methods: Mapping[str, MethodResult]) -> Table:
    """Success per task and method: solved of tried, and the mean with its 95 % interval."""
    table = Table(title="closed-loop success", title_justify="left")
    table.add_column("task")
    for name in methods:
        table.add_column(name, justify="right")
    tasks = sorted({task for result in methods.values() for task in result.tasks})
    for task in tasks:
        cells = [result.tasks.get(task) for result in methods.values()]
        table.add_row(task, *(f"{c.successes}/{c.episodes}" if c else "-" for c in cells))
    table.add_section()
    table.add_row("mean (95 % interval)", *(percent(result) for result in methods.values()))
    return table


def percent(result: MethodResult) -> str:
    """``71 % (62-79)``."""
    low, high = result.interval_95
    return f"{result.mean_success:.0%} ({low * 100:.0f}-{high * 100:.0f})"


def list_environments() -> Table:
    """Every environment, how to install it, and its tasks where it is installed."""
    table = Table("environment", "install", "tasks")
    for name, entry in ENVIRONMENTS.items():
        try:
            tasks = ", ".join(entry.tasks())
        except LapaError as error:
            tasks = str(error)
        table.add_row(name, entry.install, tasks)
    return table
