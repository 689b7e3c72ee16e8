"""Evaluation results as tables for the console."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from lapa_edge.errors import LapaError
from lapa_edge.evaluate.environment import Entry
from lapa_edge.evaluate.registry import ENVIRONMENTS
from lapa_edge.evaluate.summary import MethodResult, TaskResult


def success_table(methods: Mapping[str, MethodResult]) -> Table:
    """Success per task and method: solved of tried, and the mean with its 95 % interval.

    Where the environment tells how far a task has come, its score follows.
    """
    table = Table(title="closed-loop success", title_justify="left")
    table.add_column("task")
    for name in methods:
        table.add_column(name, justify="right")
    tasks = sorted({task for result in methods.values() for task in result.tasks})
    for task in tasks:
        cells = [result.tasks.get(task) for result in methods.values()]
        table.add_row(task, *(_solved(cell) if cell else "-" for cell in cells))
    table.add_section()
    table.add_row("mean (95 % interval)", *(percent(result) for result in methods.values()))
    return table


def _solved(result: TaskResult) -> str:
    """``3/5``, or ``3/5, score 0.71``."""
    score = "" if result.score is None else f", score {result.score:.2f}"
    return f"{result.successes}/{result.episodes}{score}"


def percent(result: MethodResult) -> str:
    """``71 % (62-79)``."""
    low, high = result.interval_95
    return f"{result.mean_success:.0%} ({low * 100:.0f}-{high * 100:.0f})"


def list_environments() -> Table:
    """Every environment: whether it runs here, how to get it, its robot and its tasks."""
    table = Table(title_justify="left")
    for heading in ("environment", ""):
        table.add_column(heading, no_wrap=True)
    table.add_column("", overflow="fold")
    for name, entry in ENVIRONMENTS.items():
        try:
            missing = entry.missing(None)
        except LapaError as error:
            missing = str(error)
        robot = entry.robot
        rows = {
            "installed": f"no ({missing})" if missing else "yes",
            "install": entry.install,
            "rate": f"{robot.control_hz:g} Hz",
            "state": ", ".join(robot.state_names),
            "action": ", ".join(robot.action_names),
            "tasks (steps)": _task_words(entry),
        }
        for i, (what, words) in enumerate(rows.items()):
            table.add_row("" if i else name, what, escape(words))
        table.add_section()
    return table


def _task_words(entry: Entry) -> str:
    """Tasks by step limit; a suite's numbered ones as a range, held-out ones with a star."""
    by_limit: dict[int, dict[str, list[str]]] = {}
    for task, limit in entry.step_limits.items():
        suite, numbered, _ = task.partition("/")
        group = by_limit.setdefault(limit, {}).setdefault(suite if numbered else task, [])
        group.append(task + ("*" if entry.split(task) == "unseen" else ""))
    lines = []
    for limit, groups in sorted(by_limit.items()):
        names = [
            f"{tasks[0]} to {tasks[-1].rpartition('/')[2]}" if len(tasks) > 1 else tasks[0]
            for tasks in groups.values()
        ]
        lines.append(f"({limit}) {', '.join(names)}")
    if entry.unseen:
        lines.append("* held out of training by the benchmark")
    return "\n".join(lines)
