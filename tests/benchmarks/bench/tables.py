"""A report as Markdown: claims, the machine, every candidate."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import Gauges, Report, Spread, Timing, Verdict

KILO = 1 << 10


def draw_report(report: Report) -> str:
    """All its tables."""
    parts = [_describe(report), _draw_verdicts(report.verdicts)]
    if report.gauges:
        parts.append(_draw_gauges(report.gauges, report))
    if report.timings:
        parts.append(_draw_timings(report.timings))
    return "\n\n".join(parts)


def _describe(report: Report) -> str:
    machine = report.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    lines = [
        f"{machine.cpu}, {machine.cores} cores, kernels for {report.instruction_set}; commit "
        f"{report.commit or 'unknown'}; {report.rounds} rounds in {report.seconds:.0f} s, "
        f"load average {machine.load:.1f} before and {report.load_after:.1f} after; {versions}."
    ]
    if report.empty_call_us:
        lines.append(
            f"A call from Python that does nothing takes {show_us(report.empty_call_us.p50)} µs "
            "here and is part of every time."
        )
    return "\n".join(lines)


def _draw_verdicts(verdicts: Sequence[Verdict]) -> str:
    header = (
        "what", "kernel", "µs", "alternative", "times faster", "must",
        "fastest other", "floor", "times the floor", "aim",
    )  # fmt: skip
    rows = []
    for v in verdicts:
        must = f"≥ {v.must:g}" if v.must else _at_most(v.must_us, " µs")
        allowed = f", the floor allows {v.allowed:.2f}" if v.allowed else ""
        aim = _at_most(v.aim) or _at_most(v.aim_us, " µs")
        rows.append([
            v.subject, v.kernel, f"**{show_us(v.us.p50)}**",
            _with_us(v.peer, v.peer_us), _show_ratio(v.ratio), must + mark(v.met_must) + allowed,
            f"{v.rival}, {v.rival_ratio.p50:.2f}" if v.rival_ratio and v.rival != v.peer else "",
            _with_us(v.floor, v.floor_us), _show_ratio(v.distance), aim + mark(v.met_aim),
        ])  # fmt: skip
    left = ("what", "kernel", "alternative", "fastest other", "floor")
    return draw_table(header, rows, left)


def _draw_gauges(gauges: Gauges, report: Report) -> str:
    caches = ", ".join(f"{name} {size // KILO} KB" for name, size in report.caches.items())
    sizes = [show_size(size) for size in gauges.read_gb_s]
    curve = draw_table(
        ["reads of", *sizes], [["GB/s", *(f"{rate:.0f}" for rate in gauges.read_gb_s.values())]]
    )
    return (
        f"{curve}\n\nOne core at its best: float32 multiply-adds {gauges.multiply_gflop_s:.0f} "
        f"GFLOP/s, int8 {gauges.dot_gop_s:.0f} GOP/s, copying in memory {gauges.copy_gb_s:.0f} "
        f"GB/s read and written. Caches as the system tells them: {caches or 'unknown'}."
    )


def _draw_timings(timings: Sequence[Timing]) -> str:
    rows = [
        [t.contest, t.name, show_us(t.us.p50), f"{show_us(t.us.p10)} to {show_us(t.us.p90)}",
         "" if t.error is None else f"{t.error:.1g}"]
        for t in timings
    ]  # fmt: skip
    header = ("contest", "candidate", "µs", "p10 to p90", "error")
    table = draw_table(header, rows, left=("contest", "candidate"))
    return f"<details><summary>Every candidate</summary>\n\n{table}\n\n</details>"


def draw_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] = ()
) -> str:
    """Markdown, numbers to the right; a first cell like the one above it stays empty."""
    rule = [("---" if name in left else "---:") for name in header]
    lines, above = [header, rule], ""
    for row in rows:
        lines.append(["" if row[0] == above else row[0], *row[1:]])
        above = row[0]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mark(met: bool | None) -> str:
    """A word behind a target."""
    return {None: "", True: " met", False: " **missed**"}[met]


def show_us(us: float) -> str:
    """Three digits, never an exponent."""
    return f"{us:.0f}" if us >= 100 else f"{us:.1f}" if us >= 10 else f"{us:.2f}"


def show_count(count: float) -> str:
    """Two digits with k or M."""
    return f"{count / 1e6:.3g} M" if count >= 1e6 else f"{count / 1e3:.3g} k"


def show_size(size: int) -> str:
    """Bytes in KB or MB."""
    return f"{size // KILO} KB" if size < KILO**2 else f"{size / KILO**2:.3g} MB"


def _show_ratio(ratio: Spread | None) -> str:
    return f"{ratio.p50:.2f} ({ratio.p10:.2f} to {ratio.p90:.2f})" if ratio else ""


def _with_us(name: str, us: Spread | None) -> str:
    return f"{name}: {show_us(us.p50)} µs" if us else ""


def _at_most(limit: float | None, unit: str = "") -> str:
    return "" if limit is None else f"≤ {limit:g}{unit}"
