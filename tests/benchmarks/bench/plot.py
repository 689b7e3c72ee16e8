"""One picture of a report: how much faster, how far from the floor, what the machine can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from bench.report import Report, Spread, Verdict
from bench.tables import show_size, show_us

MET, MISSED, NO_LIMIT, LIMIT = "#1b7f5c", "#c8501e", "#5a6b7b", "#202020"
TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 30, 50, 100, 200, 500)
ALLOWED: Any = {
    "color": NO_LIMIT,
    "marker": "D",
    "markersize": 5,
    "markerfacecolor": "white",
    "linestyle": "",
}
ROW_INCH, FOOT_INCH = 0.26, 2.4

Row = tuple[Spread | None, float | None, bool | None]  # what came out, its limit, whether met


def draw_plot(report: Report, path: Path) -> None:
    """Writes a PNG."""
    verdicts = report.verdicts
    body_inch = 0.9 + ROW_INCH * len(verdicts)
    style: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(12, body_inch + FOOT_INCH), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=(body_inch, FOOT_INCH))
        faster = figure.add_subplot(grid[0, 0])
        distance = figure.add_subplot(grid[0, 1], sharey=faster)
        draw_rows(faster, [(v.ratio, v.must, v.met_must) for v in verdicts])
        draw_rows(distance, [(v.distance, v.aim, v.met_aim) for v in verdicts])
        for y, verdict in enumerate(verdicts):
            if verdict.allowed:
                faster.plot(verdict.allowed, y, **ALLOWED)
        faster.set_title("times faster than the alternative: more is better", loc="left")
        distance.set_title("times the machine's floor: less is better", loc="left")
        faster.set_yticks(range(len(verdicts)), [label_of(verdict) for verdict in verdicts])
        faster.invert_yaxis()
        distance.tick_params(labelleft=False)
        figure.legend(handles=build_legend(), loc="outside upper right", ncols=5, frameon=False)
        draw_curve(figure.add_subplot(grid[1, :]), report)
        figure.savefig(path, dpi=140)


def draw_rows(axes: Axes, rows: Sequence[Row]) -> None:
    """Median and p10 to p90 of each row; a black tick where its limit is."""
    for y, (spread, limit, met) in enumerate(rows):
        if spread is None:
            continue
        colour = {True: MET, False: MISSED, None: NO_LIMIT}[met]
        axes.plot((spread.p10, spread.p90), (y, y), color=colour, linewidth=2.5, alpha=0.45)
        axes.plot(spread.p50, y, "o", color=colour, markersize=5.5)
        axes.annotate(
            f"{spread.p50:.3g}", (1.01, y), xycoords=("axes fraction", "data"),
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
        if limit is not None:
            axes.plot(limit, y, "|", color=LIMIT, markersize=11, markeredgewidth=1.6)
    axes.axvline(1, color="#b0b0b0", linewidth=0.8, zorder=0)
    axes.grid(axis="x", color="#e8e8e8", zorder=0)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def label_of(verdict: Verdict) -> str:
    """What was measured, and how long ours takes."""
    kernel = f", {verdict.kernel}" if verdict.kernel != "native" else ""
    return f"{verdict.subject}{kernel}: {show_us(verdict.us.p50)} µs"


def build_legend() -> list[Line2D]:
    """What the colours say."""
    dots = {"met": MET, "missed": MISSED, "nothing promised": NO_LIMIT}
    tick = Line2D([], [], color=LIMIT, marker="|", linestyle="", markersize=10, label="target")
    allowed = Line2D([], [], label="the floor allows no more", **ALLOWED)
    return [
        *(Line2D([], [], color=c, marker="o", linestyle="", label=t) for t, c in dots.items()),
        tick,
        allowed,
    ]


def draw_curve(axes: Axes, report: Report) -> None:
    """Read bandwidth by size, with the caches' sizes."""
    assert report.gauges is not None
    sizes = list(report.gauges.read_gb_s)
    axes.plot(sizes, list(report.gauges.read_gb_s.values()), "o-", color=NO_LIMIT, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [show_size(size) for size in sizes])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("GB/s")
    axes.set_title("what one core reads, by how much it reads over and over", loc="left")
    for name, size in report.caches.items():
        if sizes[0] <= size <= sizes[-1]:
            axes.axvline(size, color="#b0b0b0", linewidth=0.8, linestyle="--")
            axes.annotate(
                name, (size, 1), (4, -9), ("data", "axes fraction"), "offset points",
                color=NO_LIMIT,
            )  # fmt: skip
    axes.grid(axis="y", color="#e8e8e8")
