"""The charts of an inspection, drawn by matplotlib: arrows of motion, usage by clip, probes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lapa_edge.evaluate.latents.arrows import Arrow, ArrowsResult
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.evaluate.latents.probe import ProbeResult
from lapa_edge.evaluate.latents.usage import UsageResult

SHARPNESS = 2  # pixels of a chart for each that the page shows
DPI = 96 * SHARPNESS
READABLE_POSITIONS = 8
READABLE_CODES = 32
MIN_COUNT = 3  # fewer pairs show no spread
ARROW = {"arrowstyle": "-|>", "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
INK, FAINT, BLUE = "#222222", "#cccccc", "#2b5f8f"


def draw_arrows(result: ArrowsResult, path: Path) -> None:
    """The common sequences' arrows, with ellipses of one standard deviation."""
    figure = _figure(6.4, 4.6)
    axes = figure.subplots()
    _draw_plane(axes, result, result.sequences, _reach(result.sequences))
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=9)
    figure.savefig(path, dpi=DPI)


def draw_positions(result: ArrowsResult, path: Path) -> bool:
    """A small plot per position; False, and no file, for one position or too many to read."""
    n = len(result.positions)
    if not 1 < n <= READABLE_POSITIONS:
        return False
    columns = min(n, 4)
    rows = -(-n // columns)
    figure = _figure(2.5 * columns, 3.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    reach = max(_reach(arrows) for arrows in result.positions)
    for position, axes in enumerate(grid):
        if position >= n:
            axes.axis("off")
            continue
        _draw_plane(axes, result, result.positions[position], reach)
        axes.set_title(f"position {position + 1}", fontsize=9)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.25), frameon=False, fontsize=7, ncols=2,
            handlelength=0.8, columnspacing=0.8,
        )  # fmt: skip
    figure.savefig(path, dpi=DPI)
    return True


def draw_usage(usage: UsageResult, path: Path) -> None:
    """Clips against codes, darker where a code is used more; only the commonest of many codes."""
    share = np.array(usage.share_by_clip)  # [clips, k]
    shown = np.sort(np.argsort(-share.mean(0), kind="stable")[:READABLE_CODES])
    clips = len(share)
    # Every clip has at least a pixel's height, and a single one still a visible row.
    figure = _figure(max(4.0, 0.28 * len(shown) + 2.2), min(8.0, max(1.8, 0.045 * clips + 1.2)))
    axes = figure.subplots()
    image = axes.imshow(
        share[:, shown], aspect="auto", cmap="Blues", vmin=0, interpolation="nearest"
    )
    axes.set_xticks(range(len(shown)), [str(code) for code in shown], fontsize=8)
    axes.set_xlabel("code", fontsize=9)
    axes.set_ylabel("clip", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    axes.yaxis.get_major_locator().set_params(integer=True)
    bar = figure.colorbar(image, ax=axes, aspect=40)
    bar.set_label("share of the clip's codes", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.savefig(path, dpi=DPI)


def draw_probe(result: ProbeResult, path: Path) -> None:
    """R2 of every probe with its interval."""
    names = list(dict.fromkeys(score.features for score in result.scores))
    kinds = list(dict.fromkeys(score.probe for score in result.scores))
    figure = _figure(6.4, 0.5 * len(names) + 1.2)
    axes = figure.subplots()
    for offset, kind in enumerate(kinds):
        scores = [result.score(name, kind) for name in names]
        height = np.arange(len(names)) + 0.22 * (offset - (len(kinds) - 1) / 2)
        value = np.array([score.r2.value for score in scores])
        low = np.array([score.r2.low for score in scores])
        high = np.array([score.r2.high for score in scores])
        axes.hlines(height, low, high, color=BLUE if offset == 0 else INK, lw=1.5)
        filled = BLUE if offset == 0 else "white"
        axes.plot(
            value, height, "o", ms=5, mfc=filled, mec=BLUE if offset == 0 else INK, label=kind
        )
    # A control may fall far below zero; what matters lies above.
    left, _ = axes.get_xlim()
    axes.set_xlim(max(left, -0.5), 1.0)
    axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("R² of the true motion, held-out episodes", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    _open_frame(axes)
    figure.savefig(path, dpi=DPI)


def _draw_plane(axes: Any, result: ArrowsResult, arrows: Sequence[Arrow], reach: float) -> None:
    ellipse = import_extra("matplotlib.patches").Ellipse
    colours = import_extra("matplotlib").colormaps["tab10"].colors
    for index, arrow in enumerate(arrows):
        single = len(arrow.codes) == 1 and arrow.codes[0] < len(colours)
        colour = colours[arrow.codes[0] if single else index % len(colours)]
        axes.annotate(
            "", arrow.mean, (0, 0), arrowprops={"color": colour, **ARROW}
        )  # fmt: skip
        axes.plot([], [], color=colour, label=_name(index, arrow))
        if arrow.count >= MIN_COUNT:
            (minor, major), axis = _radii(arrow)
            axes.add_patch(
                ellipse(
                    arrow.mean, 2 * major, 2 * minor, angle=np.degrees(np.arctan2(*axis[::-1])),
                    facecolor=(*colour, 0.07), edgecolor=(*colour, 0.6), lw=0.8,
                )
            )  # fmt: skip
    axes.axhline(0, color=FAINT, lw=0.6, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.6, zorder=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes.set_aspect("equal")
    for axis_, name, unit in zip((axes.xaxis, axes.yaxis), result.dims, result.units, strict=True):
        axis_.set_label_text(f"{name}, {unit}" if unit else name, fontsize=9)
        axis_.get_major_locator().set_params(nbins=4)
    axes.tick_params(labelsize=8)
    _open_frame(axes)


def _name(index: int, arrow: Arrow) -> str:
    codes = " ".join(map(str, arrow.codes))
    return f"{codes if len(codes) < 20 else f'sequence {index + 1}'}  ({arrow.count})"


def _radii(arrow: Arrow) -> tuple[tuple[float, float], tuple[float, float]]:
    """Standard deviations along the ellipse's minor and major axis, and the latter's direction."""
    values, vectors = np.linalg.eigh(np.array(arrow.covariance))
    minor, major = np.sqrt(np.maximum(values, 0))
    return (float(minor), float(major)), (float(vectors[0, 1]), float(vectors[1, 1]))


def _reach(arrows: Sequence[Arrow]) -> float:
    """Half the side of a square that holds the arrows and their ellipses."""
    ends = [max(map(abs, arrow.mean)) + _radii(arrow)[0][1] for arrow in arrows]
    return 1.05 * max(ends, default=1.0) or 1.0


def _open_frame(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _figure(width: float, height: float) -> Any:
    """A figure of its own: no pyplot, no window, no global state."""
    return import_extra("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
