"""A comparison in pictures: methods with their seeds, success against latency, the grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lapa_edge.compare.config import CompareConfig
from lapa_edge.compare.outcomes import SUCCESS, Condition
from lapa_edge.compare.results import Findings
from lapa_edge.compare.summary import Interval, Row, row, rows
from lapa_edge.compare.table import grid_values, number, title
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.train.sweep_report import INK, PALE, heat_map

DPI = 130
ACROSS = 3  # panels beside each other
LINES = ("o-", "s--", "^:", "D-.", "v-")


def draw_methods(findings: Findings, path: Path) -> None:
    """A panel per metric, a row per variant: its mean with error bars, every seed a pale dot.

    The bars are over seeds; where there is a single one, over its episodes, dotted.
    """
    pyplot = import_extra("matplotlib.pyplot")
    metrics = findings.metrics()
    across = min(len(metrics), ACROSS)
    down = -(-len(metrics) // across)
    height = down * (0.9 + 0.4 * len(findings.variants))
    figure, panels = pyplot.subplots(
        down, across, figsize=(1 + 4.5 * across, height), layout="constrained", squeeze=False,
        sharey=True,
    )  # fmt: skip
    for axes in panels.flat[len(metrics) :]:
        axes.set_visible(False)
    for axes, metric in zip(panels.flat, metrics, strict=False):
        found = {one.variant: one for one in rows(findings, metric)}
        for place, variant in enumerate(reversed(findings.variants)):
            if one := found.get(variant):
                _draw_row(axes, place, one)
        axes.set_yticks(range(len(findings.variants)), list(reversed(findings.variants)))
        axes.set_ylim(-0.6, len(findings.variants) - 0.4)
        axes.set_xlabel(title(metric))
        _tidy(axes, metric, "x")
    figure.suptitle(
        "means, each seed pale; 95 % over seeds (of one seed: over its episodes, dotted)",
        fontsize=8,
    )
    figure.savefig(path, dpi=DPI)
    pyplot.close(figure)


def draw_latencies(findings: Findings, path: Path) -> None:
    """A line per way of driving: success against policy latency, Wilson's bars."""
    pyplot = import_extra("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(7, 3.8), layout="constrained")
    ways: dict[tuple[str, str], list[Condition]] = {}
    for variant in findings.variants:
        conditions = findings.conditions(variant)
        for condition in conditions if len(conditions) > 1 else ():
            ways.setdefault((variant, condition.execution), []).append(condition)
    for number_, ((variant, execution), conditions) in enumerate(ways.items()):
        late = sorted(conditions, key=lambda c: c.latency_s)
        found = [row(findings, variant, SUCCESS, c) for c in late]
        known = [one for one in found if one and one.wilson]
        axes.errorbar(
            [c.latency_s * 1000 + 3 * number_ for c in late],  # beside, not over each other
            [one.mean for one in known],
            yerr=_errors([(one.mean, one.wilson) for one in known]),
            fmt=LINES[number_ % len(LINES)], lw=1.2, ms=4, capsize=2,
            label=f"{variant}, {execution}",
        )  # fmt: skip
    axes.set_xlabel("policy latency, ms")
    axes.set_ylabel("success, Wilson 95 %")
    axes.legend(frameon=False, fontsize=8)
    _tidy(axes, SUCCESS, "y")
    figure.savefig(path, dpi=DPI)
    pyplot.close(figure)


def draw_grid(config: CompareConfig, findings: Findings, path: Path) -> None:
    """A heat map over n and k per metric."""
    assert config.grid
    pyplot = import_extra("matplotlib.pyplot")
    metrics = findings.metrics()
    size = 0.8 + 0.75 * len(config.grid.k), 1.1 + 0.55 * len(config.grid.n)
    figure, panels = pyplot.subplots(
        1, len(metrics), figsize=(max(3.6, size[0]) * len(metrics), max(2.8, size[1])),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for axes, metric in zip(panels[0], metrics, strict=True):
        values = grid_values(config, findings, metric)
        heat_map(axes, values, config.grid.n, config.grid.k, number(metric))
        axes.set_title(title(metric), fontsize=10)
    figure.savefig(path, dpi=DPI)
    pyplot.close(figure)


def _draw_row(axes: Any, place: int, one: Row) -> None:
    bar, style = one.seeds_interval, "-"
    if bar is None:
        bar, style = one.wilson or one.episodes_interval, ":"
    if bar:
        axes.plot(bar, [place, place], style, color=INK, lw=1.4)
    values = list(one.by_seed.values())
    axes.plot(values, [place + 0.18] * len(values), "o", color=PALE, ms=4)
    axes.plot([one.mean], [place], "D", color=INK, ms=6)


def _errors(bars: Sequence[tuple[float, Interval | None]]) -> list[list[float]]:
    """matplotlib's lengths below and above the mean."""
    known = [(mean, bar) for mean, bar in bars if bar]
    return [
        [max(0.0, mean - low) for mean, (low, _) in known],
        [max(0.0, high - mean) for mean, (_, high) in known],
    ]


def _tidy(axes: Any, metric: str, which: str) -> None:
    if metric == SUCCESS:
        getattr(axes, f"set_{which}lim")(-0.02, 1.02)
        formatter = import_extra("matplotlib.ticker").PercentFormatter(1.0)
        getattr(axes, f"{which}axis").set_major_formatter(formatter)
    axes.grid(axis=which, color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
