"""An evaluation on paper: ``report.json`` for programs, ``report.md`` for people, plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lapa_edge.data.files import replacing
from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.evaluate.offline_result import (
    ON_COURSE_MEANS,
    POLICY,
    STOP,
    SUBJECTS,
    Bounded,
    OfflineResult,
)
from lapa_edge.evaluate.statistics import Quartiles
from lapa_edge.evaluate.summary import MethodResult

INK, PALE = "#1f4e79", "#9ab7d3"


def write_report(
    out: Path,
    name: str,
    result: MethodResult,
    answers: Sequence[JobAnswer],
    settings: Mapping[str, Any],
) -> None:
    """Write ``report.json``, ``report.md``, ``success.png`` and ``ages.png`` into `out`."""
    _write(out / "report.json", _json({"settings": settings, "result": result}))
    _write(out / "report.md", describe(name, result, settings))
    _draw_success(result, out / "success.png")
    _draw_ages(answers, out / "ages.png")


def write_offline_report(
    out: Path, name: str, result: OfflineResult, settings: Mapping[str, Any]
) -> None:
    """Write ``offline.json``, ``offline.md`` and ``horizon.png`` into `out`."""
    _write(out / "offline.json", _json({"settings": settings, "result": result}))
    _write(out / "offline.md", describe_offline(name, result, settings))
    _draw_horizon(result, out / "horizon.png")


def describe(name: str, result: MethodResult, settings: Mapping[str, Any]) -> str:
    """The report of closed-loop rollouts in Markdown."""
    lines = [f"# {name}: closed loop", "", *_settings(settings), ""]
    lines += ["| task | success | 95 % (Wilson) | steps to success (quartiles) | stops | score |"]
    lines += ["|---" * 6 + "|"]
    for task, row in result.tasks.items():
        mark = f" ({row.split})" if row.split else ""
        lines.append(
            f"| {task}{mark} | {_rate(row.successes, row.episodes)} | {_interval(row.interval_95)} "
            f"| {_quartiles(row.steps_to_success)} | {row.stops} | {_score(row.score)} |"
        )
    for split, part in result.splits.items():
        lines.append(
            f"| **{split}** | {_rate(part.successes, part.episodes)} "
            f"| {_interval(part.interval_95)} | | | |"
        )
    solved = sum(row.successes for row in result.tasks.values())
    stops = sum(row.stops for row in result.tasks.values())
    lines.append(
        f"| **all** | {_rate(solved, result.episodes)} | {_interval(result.interval_95)} "
        f"| {_quartiles(result.steps_to_success)} | {stops} | {_score(result.score)} |"
    )
    lines += ["", *_motion(result), *_stops(result)]
    return "\n".join(lines) + "\n"


def describe_offline(name: str, result: OfflineResult, settings: Mapping[str, Any]) -> str:
    """The report of an offline evaluation in Markdown."""
    lines = [f"# {name}: offline", "", *_settings(settings), ""]
    lines += [
        f"{result.moments} moments of {result.episodes} episodes; the head is asked "
        f"{result.latency_s * 1e3:g} ms after the frame. Intervals of 95 % draw episodes anew. "
        '"last action" repeats what the head is told that the demonstrator did just before. '
        f"On course, a proxy for success: {ON_COURSE_MEANS}.",
        "",
        "| | error, in spreads of the action | direction (cosine) | on course | "
        + " | ".join(f"{action}, {unit}" for action, unit in result.units.items())
        + " |",
        "|---" * (4 + len(result.units)) + "|",
    ]
    for subject in SUBJECTS:
        physical = (_bounded(result.physical[subject][action], 3) for action in result.units)
        lines.append(
            f"| {subject} | {_bounded(result.normalised_mean[subject])} "
            f"| {_bounded(result.cosine[subject])} | {_bounded(result.on_course[subject])} "
            f"| {' | '.join(physical)} |"
        )
    lines += ["", "| seconds ahead | " + " | ".join(SUBJECTS) + " |"]
    lines += ["|---" * (1 + len(SUBJECTS)) + "|"]
    for h, ahead_s in enumerate(result.horizon_s):
        cells = (_bounded(result.normalised[subject][h]) for subject in SUBJECTS)
        lines.append(f"| {ahead_s:g} | {' | '.join(cells)} |")
    if result.code_accuracy and result.sequence_accuracy and result.commonest_code:
        lines += [
            "",
            f"Codes right: {_bounded(result.code_accuracy)}; whole sequences: "
            f"{_bounded(result.sequence_accuracy)}; the commonest code of each place is right in "
            f"{_bounded(result.commonest_code)}.",
        ]
    return "\n".join(lines) + "\n"


def _motion(result: MethodResult) -> list[str]:
    lines = []
    if age := result.latent_age_s:
        lines.append(
            f"- latent age met: mean {age.mean * 1e3:.0f} ms, 95 % below {age.p95 * 1e3:.0f} ms, "
            f"at most {age.max * 1e3:.0f} ms"
        )
    if (motion := result.motion) and motion.jerk is not None:
        lines.append(f"- path jerk, normalised actions: {motion.jerk:.3g} per s² (median)")
    if motion and motion.jump is not None and motion.between is not None:
        lines.append(
            f"- change of the action where a new latent takes over: {motion.jump:.3g}, at other "
            f"ticks {motion.between:.3g} (medians, normalised)"
        )
    lines.append(
        f"- commands that had to be bounded: {result.clamped:.1%} of ticks; lost looks: "
        f"{result.lost_looks}"
    )
    imported = "imported torch" if result.torch_imported_by_runtime else "never imported torch"
    return [*lines, f"- the processes that acted {imported}"]


def _stops(result: MethodResult) -> list[str]:
    if not result.stops_by_reason:
        return ["- the robot was never stopped"]
    reasons = "; ".join(f"{reason}: {count}" for reason, count in result.stops_by_reason.items())
    return [f"- stopped in {result.stopped:.1%} of ticks ({reasons})"]


def _settings(settings: Mapping[str, Any]) -> list[str]:
    return ["; ".join(f"{key} {value}" for key, value in settings.items() if value != "")]


def _draw_success(result: MethodResult, path: Path) -> None:
    """A bar per task with Wilson's interval."""
    pyplot = import_extra("matplotlib.pyplot")
    rows = [(t, r.successes / max(1, r.episodes), r.interval_95) for t, r in result.tasks.items()]
    rows.append(("all", result.mean_success, result.interval_95))
    figure, axes = pyplot.subplots(figsize=(6.5, 0.9 + 0.34 * len(rows)), layout="constrained")
    for i, (_, rate, (low, high)) in enumerate(reversed(rows)):
        axes.barh(i, rate, color=INK if i == 0 else PALE, height=0.62)
        axes.plot([low, high], [i, i], color="black", lw=1.2)
    axes.set_yticks(range(len(rows)), [row[0] for row in reversed(rows)])
    axes.set_xlim(0, 1)
    axes.set_xlabel("success (line: 95 % interval, Wilson)")
    _plain(axes)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _draw_ages(answers: Sequence[JobAnswer], path: Path) -> None:
    """How old the latents were that drove, over all control ticks."""
    pyplot = import_extra("matplotlib.pyplot")
    ages = [1e3 * age for a in answers for e in a.episodes for age in e.latent_age_s]
    figure, axes = pyplot.subplots(figsize=(6.5, 2.6), layout="constrained")
    axes.hist(ages, bins=min(40, max(1, len(set(ages)))), color=PALE)
    axes.set_xlabel("latent age, ms")
    axes.set_ylabel("control ticks")
    _plain(axes)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _draw_horizon(result: OfflineResult, path: Path) -> None:
    """Error over the horizon, the policy's with its interval."""
    pyplot = import_extra("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6.5, 3.2), layout="constrained")
    highest = 0.0
    for subject, style in zip(SUBJECTS, ("-", "--", ":", "-."), strict=True):
        rows = result.normalised[subject]
        values = [np.nan if row.value is None else row.value for row in rows]
        mean = _bounded(result.normalised_mean[subject])
        colour = INK if subject == POLICY else "grey"
        axes.plot(
            result.horizon_s, values, style, color=colour, marker="." * (len(rows) == 1),
            label=f"{subject}: {mean}",
        )  # fmt: skip
        if subject == POLICY and all(row.low is not None for row in rows):
            low, high = [row.low for row in rows], [row.high for row in rows]
            axes.fill_between(result.horizon_s, low, high, color=PALE, alpha=0.6, lw=0)
        if subject != STOP:  # far off where an action rests at another value; its mean is named
            highest = max(highest, float(np.nanmax(values)))
    axes.set_ylim(0, 1.6 * highest or 1)
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2, title="mean (95 %)")
    axes.set_xlabel("seconds ahead")
    axes.set_ylabel("mean absolute error,\nspreads of the action")
    _plain(axes)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _rate(successes: int, episodes: int) -> str:
    return f"{successes}/{episodes} ({successes / max(1, episodes):.0%})"


def _score(proxy: float | None) -> str:
    """Success proxy at the end of an episode, mean; not every environment defines one."""
    return "-" if proxy is None else f"{proxy:.2f}"


def _interval(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.0%} to {bounds[1]:.0%}"


def _quartiles(found: Quartiles | None) -> str:
    return f"{found.median:.0f} ({found.low:.0f} to {found.high:.0f})" if found else "-"


def _bounded(found: Bounded, digits: int = 2) -> str:
    if found.value is None:
        return "n/a"
    value = f"{found.value:.{digits}g}" if digits > 2 else f"{found.value:.2f}"
    if found.low is None or found.high is None:
        return value
    form = f".{digits}g" if digits > 2 else ".2f"
    return f"{value} ({found.low:{form}} to {found.high:{form}})"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
