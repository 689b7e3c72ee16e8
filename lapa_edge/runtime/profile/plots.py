"""Two plots as SVG text, drawn by hand so that a robot needs no plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from lapa_edge.runtime.profile.latency import Latency
from lapa_edge.runtime.profile.pacing import Pace

INK, PALE, ALARM = "#1f4e79", "#9ab7d3", "#c8501e"
_WIDTH, _LABEL, _ROW = 720, 150, 24


def draw_latency(rows: Mapping[str, Latency]) -> str:
    """Each part from p50 (bar) over p99 (pale bar) to its maximum (tick), on a log scale."""
    times = [x for row in rows.values() for x in (row.p50_ms, row.max_ms) if x > 0]
    low, high = (math.floor(math.log10(min(times))), math.ceil(math.log10(max(times))))
    high = max(high, low + 1)

    def x(ms: float) -> float:
        return _LABEL + (_WIDTH - _LABEL - 10) * (math.log10(max(ms, 10**low)) - low) / (high - low)

    shapes = []
    for decade in range(low, high + 1):
        at = x(10**decade)
        shapes.append(_line(at, 0, at, _ROW * len(rows), "#ddd"))
        shapes.append(_text(at, _ROW * len(rows) + 14, f"{10**decade:g} ms", "middle"))
    for i, (name, row) in enumerate(rows.items()):
        y = _ROW * i + 4
        shapes.append(_text(_LABEL - 8, y + 12, name, "end"))
        shapes.append(_bar(_LABEL, y, x(row.p99_ms) - _LABEL, PALE))
        shapes.append(_bar(_LABEL, y, x(row.p50_ms) - _LABEL, INK))
        shapes.append(_line(x(row.max_ms), y, x(row.max_ms), y + 16, ALARM))
    return _svg(shapes, _ROW * len(rows) + 24)


def draw_deadlines(whole: Sequence[Pace], tick: Sequence[Pace]) -> str:
    """Share of deadlines missed by rate: frame to command, and the control tick."""
    shapes = []
    runs = [(pace, "frame to command") for pace in whole] + [(pace, "tick") for pace in tick]
    room = _WIDTH - _LABEL - 90
    for i, (pace, what) in enumerate(runs):
        y = _ROW * i + 4
        shapes.append(_text(_LABEL - 8, y + 12, f"{what}, {pace.rate_hz:g} Hz", "end"))
        shapes.append(_bar(_LABEL, y, room, "#eee"))
        shapes.append(_bar(_LABEL, y, room * pace.missed, ALARM))
        shapes.append(_text(_LABEL + room + 8, y + 12, f"{pace.missed:.2%}", "start"))
    return _svg(shapes, _ROW * len(runs) + 6)


def _svg(shapes: Sequence[str], height: float) -> str:
    body = "\n".join(shapes)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" font-size="11" '
        f'font-family="sans-serif" xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>'
    )


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="16" fill="{colour}"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        'stroke-width="1.5"/>'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
