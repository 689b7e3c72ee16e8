"""The control loop's report beside the kernels': missed deadlines, and the head after a sleep."""

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


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """One loop at one rate under one load; late ones began a tenth of a period late, or never."""

    load: str
    rate_hz: float
    loop: str
    missed_percent: float


class LoopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of control_loop.py's file."""

    machine: Machine
    cold_head: list[ColdHead]
    deadlines: list[Deadlines] = []


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
    parts = [machine, draw_table(header, rows, left=header[:1]), draw_deadlines(report.deadlines)]
    return "\n\n".join(part for part in parts if part)


def draw_deadlines(measured: list[Deadlines]) -> str:
    """Loops side by side: the share of ticks that began late or were skipped."""
    if not measured:
        return ""
    loops = list(dict.fromkeys(row.loop for row in measured))
    missed = {(row.load, row.rate_hz, row.loop): row.missed_percent for row in measured}
    header = ("beside", "rate, Hz", *(f"{loop}: missed, %" for loop in loops))
    rows = []
    for load, rate_hz in dict.fromkeys((row.load, row.rate_hz) for row in measured):
        shares = [missed.get((load, rate_hz, loop)) for loop in loops]
        cells = ["not run" if share is None else f"{share:.2f}" for share in shares]
        rows.append([_LOADS.get(load, load), f"{rate_hz:g}", *cells])
    return draw_table(header, rows, left=header[:1])


_LOADS = {"idle": "nothing", "cores": "all other cores busy", "gil": "a thread that hogs the GIL"}
