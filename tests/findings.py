"""Findings made up for tests."""

from __future__ import annotations

from lapa_edge.compare.outcomes import SUCCESS, Cell, Finding
from lapa_edge.evaluate.execution import ExecutionMode


def success(
    solved: dict[str, int], tried: int = 10, how: ExecutionMode = "two-rate", late_s: float = 0.05
) -> Cell:
    """`solved` of `tried` episodes, by task."""
    outcomes = {task: [1.0] * n + [0.0] * (tried - n) for task, n in solved.items()}
    return Cell(metric=SUCCESS, execution=how, latency_s=late_s, outcomes=outcomes)


def finding(variant: str, seed: int, *cells: Cell) -> Finding:
    """One training of half a million parameters that took two minutes."""
    return Finding(
        variant=variant, method=variant, seed=seed, parameters=500_000, cpu_s=120.0,
        cells=list(cells),
    )  # fmt: skip
