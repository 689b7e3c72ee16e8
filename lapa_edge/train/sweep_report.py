"""A sweep's comparison on paper: a table in Markdown, a plot, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.train.run_directory import write_text
from lapa_edge.train.sweep import Finding, Variant

INK, PALE = "#1f4e79", "#9ab7d3"


def write_comparison(
    out: Path, variants: Sequence[Variant], findings: Sequence[Finding], title: str
) -> None:
    """Write ``sweep.md``, ``sweep.png`` and ``sweep.json`` into `out`."""
    write_text(out / "sweep.json", msgspec.json.format(msgspec.json.encode(findings)).decode())
    write_text(out / "sweep.md", table(variants, findings))
    draw(variants, findings, title, out / "sweep.png")


def table(variants: Sequence[Variant], findings: Sequence[Finding]) -> str:
    """One row per variant: means over seeds, R2 with its 95 % interval (Student's t)."""
    lines = [
        "| variant | what is different | seeds | steps | R² latents | R² codes | gain | drop | "
        "codes in use | perplexity |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for variant in variants:
        rows = [f for f in findings if f.variant == variant.name]
        if not rows:
            continue
        least, k = min(f.active for f in rows), rows[0].k
        lines.append(
            f"| {variant.name} | {variant.says} | {len(rows)} | {rows[0].steps} "
            f"| {_interval([f.r2_latents for f in rows])} "
            f"| {_interval([f.r2_codes for f in rows])} "
            f"| {_mean(f.gain for f in rows):.2f} | {_mean(f.drop for f in rows):.2f} "
            f"| {least} of {k} at least | {_mean(f.perplexity for f in rows):.1f} |"
        )
    first = _mean(f.r2_first_frame for f in findings)
    lines += ["", f"The first frame alone, through the same probe: R² {first:.2f}."]
    return "\n".join(lines) + "\n"


def draw(variants: Sequence[Variant], findings: Sequence[Finding], title: str, path: Path) -> None:
    """A row per variant: every seed a dot, latents dark and codes pale, their means a bar."""
    pyplot = import_extra("matplotlib.pyplot")
    names = [v.name for v in variants if any(f.variant == v.name for f in findings)]
    figure, axes = pyplot.subplots(figsize=(7, 0.8 + 0.42 * len(names)), layout="constrained")
    for row, name in enumerate(reversed(names)):
        of = [f for f in findings if f.variant == name]
        for values, colour, shift in (
            ([f.r2_latents for f in of], INK, 0.13),
            ([f.r2_codes for f in of], PALE, -0.13),
        ):
            axes.plot(values, np.full(len(values), row + shift), "o", color=colour, ms=4, alpha=0.8)
            axes.plot([_mean(values)] * 2, [row + shift - 0.11, row + shift + 0.11], color=colour)
    first = _mean(f.r2_first_frame for f in findings)
    axes.axvline(first, color="grey", lw=0.8, ls=":")
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xlabel("R² of the motion, linear probe on unseen clips (dotted: first frame alone)")
    axes.plot([], [], "o", color=INK, label="latents")
    axes.plot([], [], "o", color=PALE, label="codes")
    axes.legend(frameon=False, loc="best", fontsize=8)
    axes.set_title(title, fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def draw_grid(
    ns: Sequence[int], ks: Sequence[int], findings: Sequence[Finding], path: Path
) -> None:
    """Two heat maps over ``n`` and ``k``: R2 from the latents and from the codes."""
    pyplot = import_extra("matplotlib.pyplot")
    figure, both = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for axes, field, title in zip(
        both, ("r2_latents", "r2_codes"), ("latents", "codes"), strict=True
    ):
        values: NDArray[np.float64] = np.array(
            [
                [
                    _mean(getattr(f, field) for f in findings if f.variant == f"n{n}-k{k}")
                    for k in ks
                ]
                for n in ns
            ]
        )
        heat_map(axes, values.tolist(), ns, ks, "{:.2f}".format)
        axes.set_title(f"R² of the motion from {title}", fontsize=10)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def heat_map(
    axes: Any,
    values: Sequence[Sequence[float]],
    ns: Sequence[int],
    ks: Sequence[int],
    write: Callable[[float], str],
) -> None:
    """Values [n, k] from 0 up as colours with their numbers; a NaN cell stays empty."""
    numbers = np.array(values, float)
    most = float(np.nanmax(numbers)) if np.isfinite(numbers).any() else 0.0
    axes.imshow(numbers, cmap="Blues", vmin=0, vmax=max(0.1, most))
    for (i, j), value in np.ndenumerate(numbers):
        if np.isfinite(value):
            colour = "white" if value > 0.6 * most else "black"
            axes.text(j, i, write(float(value)), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(ks)), ks)
    axes.set_yticks(range(len(ns)), ns)
    axes.set_xlabel("k, codebook size")
    axes.set_ylabel("n, codes")


def _interval(values: Sequence[float]) -> str:
    mean = _mean(values)
    if len(values) < 2:
        return f"{mean:.2f}"
    student = import_extra("scipy.stats").t.ppf(0.975, len(values) - 1)
    half = float(student * np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{mean:.2f} ({mean - half:.2f} to {mean + half:.2f})"


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else float("nan")
