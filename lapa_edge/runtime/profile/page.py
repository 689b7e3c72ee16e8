"""A profile as one HTML file that needs nothing beside it."""

from __future__ import annotations

from html import escape

from lapa_edge.runtime.profile.plots import draw_deadlines, draw_latency
from lapa_edge.runtime.profile.profiling import Profile
from lapa_edge.runtime.profile.tables import LABELS, Rows, sentences, tables

_STYLE = (
    "body{font:15px sans-serif;max-width:960px;margin:2em auto;color:#222}"
    "table{border-collapse:collapse;margin:.6em 0}"
    "td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child,td:last-child{text-align:left}"
)


def render_page(profile: Profile) -> str:
    """The whole page."""
    rows = {LABELS[name]: row for name, row in profile.latency.items()}
    plots = [
        "<h2>Where the time goes</h2>",
        "<p>p50 dark, p99 pale, the maximum as a line; the scale is logarithmic.</p>",
        draw_latency(rows),
    ]
    if profile.whole:
        plots += ["<h2>Deadlines missed</h2>", draw_deadlines(profile.whole, profile.tick)]
    title = escape(f"lapa-profile {profile.bundle}")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        *(f"<p>{escape(line)}</p>" for line in sentences(profile)),
        *plots,
        *(_table(rows) for rows in tables(profile)),
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _table(table: Rows) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<h2>{escape(table.title)}</h2>\n<table><tr>{head}</tr>\n{body}\n</table>"
