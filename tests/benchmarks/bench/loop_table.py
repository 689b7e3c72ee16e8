"""The control loop's report beside the kernels': the head in a loop that sleeps at 100 Hz.

control_loop.py measures it and draws its own deadlines; here stand the claims about cold caches.
"""

from __future__ import annotations

import msgspec

from bench.tables import draw_table, mark, show_us
from bench.targets import COLD_AIM, COLD_MUST
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.profile import Machine

NAMED = ("ONNX Runtime", "f32")


class ColdHead(msgspec.Struct, frozen=True, kw_only=True):
    """Medians, microseconds: back to back, after a sleep, after a sleep that ended early."""

    runtime: str
    precision: str
    hot_us: float
    cold_us: float
    early_us: float | None = None


class LoopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of control_loop.py's file."""

    machine: Machine
    cold_head: list[ColdHead]


def draw_loop(report: LoopReport) -> str:
    """Every head in the loop; ours against ONNX Runtime in float32, which sleeps as well."""
    if not report.cold_head:
        raise ConfigError("the loop's report", "expected its cold_head", "run it without --no-cold")
    named = {(row.runtime, row.precision): row for row in report.cold_head}[NAMED]
    header = ("head in a 100 Hz loop", "hot, µs", "after a sleep", "woken early", "times faster",
              "must", "early / hot", "aim")  # fmt: skip
    rows = []
    for row in report.cold_head:
        cells = [f"{row.runtime} {row.precision}", show_us(row.hot_us), show_us(row.cold_us)]
        if row.early_us:
            faster, slowed = named.cold_us / row.early_us, row.early_us / row.hot_us
            must = COLD_MUST.get(row.precision)
            cells += [
                f"**{show_us(row.early_us)}**", f"{faster:.2f}",
                f"≥ {must:g}{mark(faster >= must)}" if must else "",
                f"{slowed:.2f}", f"≤ {COLD_AIM:g}{mark(slowed <= COLD_AIM)}",
            ]  # fmt: skip
        rows.append(cells + [""] * (len(header) - len(cells)))
    machine = f"{report.machine.cpu}, load average {report.machine.load:.1f}."
    return f"{machine}\n\n{draw_table(header, rows, left=header[:1])}"
