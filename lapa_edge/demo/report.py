"""The demo's end: ``report.json`` for programs, ``report.html`` for people, a console table."""

from __future__ import annotations

import html
from pathlib import Path

import msgspec

from lapa_edge.data.labels import CodeUsage
from lapa_edge.evaluate.summary import MethodResult
from lapa_edge.evaluate.statistics import difference_interval
from lapa_edge.evaluate.table import percent
from lapa_edge.runtime.profile import Latency, Machine


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``report.json`` holds. ``stages`` are seconds, over all the runs it took."""

    seed: int
    quick: bool
    demos_per_task: int
    videos: int
    methods: dict[str, MethodResult]
    difference: float
    difference_interval_95: tuple[float, float]
    stages: dict[str, float]
    latency_ms: dict[str, Latency]
    codes: CodeUsage
    parity: dict[str, float]
    engines: str
    torch_imported_by_runtime: bool
    machine: Machine


def compare(lapa: MethodResult, scratch: MethodResult) -> tuple[float, tuple[float, float]]:
    """LAPA's mean success minus Scratch's, and Newcombe's 95 % interval of it."""
    solved = [sum(t.successes for t in method.tasks.values()) for method in (lapa, scratch)]
    interval = difference_interval(solved[0], lapa.episodes, solved[1], scratch.episodes)
    return lapa.mean_success - scratch.mean_success, interval


def verdict(report: Report) -> str:
    """One sentence that says what the numbers do and do not show."""
    lapa, scratch = report.methods["lapa"], report.methods["scratch"]
    low, high = report.difference_interval_95
    numbers = (
        f"LAPA {percent(lapa)} against Scratch {percent(scratch)} over {lapa.episodes} rollouts "
        f"each, difference {report.difference:+.0%} ({low:+.0%} to {high:+.0%})"
    )
    if low > 0:
        return f"Pretraining on video helped: {numbers}."
    if high < 0:
        return f"Pretraining on video hurt: {numbers}."
    return f"No difference can be told: {numbers}; the interval contains zero."


def write_report(report: Report, root: Path) -> Path:
    """Write both files; returns the page's path."""
    (root / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    page = root / "report.html"
    page.write_text(_page(report), encoding="utf-8")
    return page


def _page(report: Report) -> str:
    tasks = sorted(report.methods["lapa"].tasks)
    success = [["task", *report.methods]] + [
        [task]
        + [
            f"{m.tasks[task].successes}/{m.tasks[task].episodes} "
            f"({m.tasks[task].interval_95[0]:.0%} to {m.tasks[task].interval_95[1]:.0%})"
            for m in report.methods.values()
        ]
        for task in tasks
    ]
    success.append(["mean (95 % interval)", *(percent(m) for m in report.methods.values())])
    latency = [["part", "p50, ms", "p99, ms"]] + [
        [part, f"{value.p50_ms:.4f}", f"{value.p99_ms:.4f}"]
        for part, value in report.latency_ms.items()
    ]
    usage = report.codes
    stages = [["stage", "seconds"], *([n, f"{s:.1f}"] for n, s in report.stages.items())]
    stages.append(["total", f"{sum(report.stages.values()):.1f}"])
    imported = "imported torch" if report.torch_imported_by_runtime else "never imported torch"
    codes = [["code", "share"], *([str(i), f"{p:.1%}"] for i, p in enumerate(usage.share))]
    return "\n".join(
        [
            "<!doctype html><meta charset='utf-8'><title>lapa-demo</title>",
            f"<style>{_STYLE}</style><h1>lapa-demo: video in, a moving robot out</h1>",
            f"<p><b>{html.escape(verdict(report))}</b></p>",
            f"<p>{report.videos} videos without actions; {report.demos_per_task} labelled demos "
            f"per task; seed {report.seed}{' (smoke test)' if report.quick else ''}. Both methods "
            "train on the same demos, for the same number of steps: LAPA its action head over the "
            "trunk that the video taught (the latent action model met the demos too, through its "
            "joint action head), Scratch the same trunk and head from random weights. "
            "Rollouts run from the bundle through the robot's runtime, "
            f"whose processes {imported}; mean latent age "
            f"{report.methods['lapa'].latent_age_s_mean * 1e3:.0f} ms.</p>",
            "<h2>Success</h2>", _table(success),
            "<video src='rollouts.mp4' controls loop muted autoplay></video>",
            "<h2>What each code does</h2>",
            "<p>A frame of three clips, decoded under the commonest code sequences; below "
            "each, the change it makes, doubled around grey.</p><img src='codes.png'>",
            f"<p>{usage.active} of {usage.k} codes used, perplexity {usage.perplexity:.2f}, "
            f"{usage.sequences} different sequences over {usage.frames} frames.</p>",
            _table(codes),
            "<h2>Latency</h2>",
            f"<p>{html.escape(report.machine.cpu)}, {report.machine.cores} cores, one thread per "
            "graph; a shared machine's absolute times do not hold elsewhere.</p>",
            _table(latency),
            "<h2>Export</h2>",
            f"<p>{html.escape(report.engines)}. PyTorch against the bundle: "
            + ", ".join(f"{name} {value:.3g}" for name, value in report.parity.items())
            + ".</p><h2>Time</h2>",
            _table(stages),
        ]
    )  # fmt: skip


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    cells = [f"<tr>{''.join(f'<th>{html.escape(c)}' for c in head)}"]
    cells += [f"<tr>{''.join(f'<td>{html.escape(c)}' for c in row)}" for row in body]
    return f"<table>{''.join(cells)}</table>"


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em 1em;text-align:left;"
    "border-bottom:1px solid #ddd;font-variant-numeric:tabular-nums}img,video{max-width:100%}"
)
