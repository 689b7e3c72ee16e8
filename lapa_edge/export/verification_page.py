"""``VERIFICATION.md``: the parity report for people. What was compared, on what, with what result.

Nothing here judges: every verdict comes from the report, every bound from `export.limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lapa_edge.export.comparison import Mismatch
from lapa_edge.export.limits import LIMITS, Limit
from lapa_edge.export.parity import ClosedLoop, GraphReport, ParityReport

SHOWN_MISMATCHES = 20

_MEANINGS = {
    "image_max_abs": "preprocessed image, largest difference",
    "context_max_abs": "context vector, largest difference",
    "code_match_percent": "codes that are the same, percent",
    "mismatch_margin_max": "largest top-1/top-2 margin among codes that differ",
    "max_abs": "actions, largest difference (normalised units)",
    "cosine_min": "actions, cosine of the worst observation",
    "relative_rms": "actions, relative RMS",
    "over_floor": "the same, in noise floors",
}


def render(report: ParityReport, name: str) -> str:
    """The page, Markdown."""
    verdict = "PASSED" if report.passed else "FAILED"
    parts = [
        f"# Verification of {name}: {verdict}\n",
        f"Compared with the trained agent (PyTorch, float32) on {report.source}; "
        f"sha256 of the observations `{report.observations_sha256[:16]}`.\n",
    ]
    if report.failures:
        parts.append("What failed:\n\n" + _bullets(report.failures))
    parts += [
        "## Noise floor\n",
        "PyTorch against itself with every sum in another order: what float32 leaves open.\n",
        _table(("measure", "value"), ((_meaning(k), _number(v)) for k, v in _items(report))),
        "## The bundle as it runs by default\n",
        _measured(report.measured, report.limits),
        _mismatches(report.mismatches),
    ]
    for file, graph in report.graphs.items():
        parts.append(_graph(file, graph))
    if report.unfit:
        parts.append("## Refused precisions of the native head\n")
        parts.append(
            _bullets(f"{precision}: {'; '.join(why)}" for precision, why in report.unfit.items())
        )
    if report.not_run:
        parts.append("## Not compared, and not marked good\n")
        parts.append(_bullets(f"`{file}`: {why}" for file, why in report.not_run.items()))
        parts.append("On the machine that runs them, `lapa-export BUNDLE --steps verify` does.\n")
    parts.append("## Closed loop\n")
    parts.append(_closed_loop(report.closed_loop))
    parts.append("## Files and versions\n")
    parts.append(
        _table(("file", "sha256"), ((f"`{f}`", f"`{h}`") for f, h in report.files.items()))
    )
    parts.append(", ".join(f"{what} {number}" for what, number in report.versions.items()) + "\n")
    return "\n".join(part for part in parts if part)


def _items(report: ParityReport) -> list[tuple[str, float]]:
    return list(report.noise_floor.items())


def _graph(file: str, graph: GraphReport) -> str:
    verdict = "FAILED" if graph.failures else "passed"
    head = f"## `{file}`: {verdict}\n\nOn {graph.runs_on}; limits of {graph.precision}.\n"
    limits = LIMITS[graph.precision]
    return "\n".join((head, _measured(graph.measured, limits), _mismatches(graph.mismatches)))


def _measured(measured: dict[str, float], limits: dict[str, Limit]) -> str:
    rows = []
    for name, value in measured.items():
        limit = limits.get(name)
        bound, verdict, why = ("none", "reported", "")
        if limit is not None:
            bound, why = limit.describe(), limit.reason
            verdict = "holds" if limit.holds(value) else "**BROKEN**"
        rows.append((_meaning(name), _number(value), bound, verdict, why))
    return _table(("measure", "value", "limit", "", "why there"), rows)


def _mismatches(mismatches: Sequence[Mismatch]) -> str:
    if not mismatches:
        return ""
    rows = (
        (str(x.observation), str(x.position), str(x.expected), str(x.got), _number(x.margin))
        for x in mismatches[:SHOWN_MISMATCHES]
    )
    left = len(mismatches) - SHOWN_MISMATCHES
    more = f"\n{left} more in parity.json.\n" if left > 0 else ""
    columns = ("observation", "position", "PyTorch", "here", "PyTorch's margin")
    return f"Codes that differ:\n\n{_table(columns, rows)}{more}"


def _closed_loop(found: ClosedLoop | None) -> str:
    if found is None:
        return "Not driven; `lapa-export RUN --verify closed-loop` does.\n"
    n = found.episodes
    rows = [("PyTorch", f"{found.pytorch}/{n}", _interval(found.pytorch_interval), "", "", "")]
    rows += [
        (
            f"`{graph}`",
            f"{side.successes}/{n}",
            _interval(side.interval),
            f"{side.difference:+.1%}",
            _interval(side.difference_interval),
            f"{side.only_here} here, {side.only_pytorch} PyTorch",
        )
        for graph, side in found.graphs.items()
    ]
    columns = ("policy", "success", "95 %", "less PyTorch", "95 % (Newcombe)", "alone succeeded")
    nothing = "\nNeither succeeded once: this tells nothing.\n"
    shown = found.pytorch or any(side.successes for side in found.graphs.values())
    return (
        f"{found.environment}: {', '.join(found.tasks)}; the same seeds for all, "
        f"{min(found.seeds)} to {max(found.seeds)}.\n\n{_table(columns, rows)}"
        f"{'' if shown else nothing}"
    )


def _interval(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.1%} to {bounds[1]:.1%}"


def _meaning(name: str) -> str:
    """In words; ``bf16_head_max_abs`` names the head as well."""
    head, found, measure = name.partition("_head_")
    if found:
        return f"{head} head: {_MEANINGS.get(measure, measure)}"
    return _MEANINGS.get(name, name)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _bullets(lines: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
