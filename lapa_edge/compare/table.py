"""A comparison in Markdown: what was compared, each metric's rows, pairs, latencies, the grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lapa_edge.compare.config import CompareConfig
from lapa_edge.compare.offline import ACTION_ERROR, CODE_ACCURACY, DIRECTION, ON_COURSE
from lapa_edge.compare.outcomes import SUCCESS
from lapa_edge.compare.results import Findings
from lapa_edge.compare.summary import Interval, Row, pairs, row, rows
from lapa_edge.compare.variants import grid_name
from lapa_edge.evaluate.offline_result import ON_COURSE_MEANS

READING = (
    "**Mean** weighs every task alike. How well these trainings are known: **Wilson** (success) "
    "pools the episodes of all seeds, **over episodes** (other metrics) draws them anew. **Over "
    "seeds** draws trainings anew, then their episodes (hierarchical bootstrap): what another "
    "training would do; with few seeds it is too narrow still. **Each seed** is what luck does. "
    "Differences are paired, seed by seed and scene by scene; **Newcombe** pools episodes and does "
    "without the pairing. All intervals are 95 %.\n"
)


def markdown(config: CompareConfig, findings: Findings) -> str:
    """The page."""
    parts = [describe(config), *_metrics(config, findings)]
    if config.ablation:
        parts += _latencies(config, findings)
    if config.grid:
        parts.append(_grid(config, findings))
    return "\n".join([*parts, READING])


def describe(config: CompareConfig) -> str:
    """In a paragraph, what was compared."""
    training = config.training
    if record := config.record:
        data = (
            f"{record.videos_per_task} videos and {record.demos_per_task} labelled demos of each "
            f"of {len(record.tasks)} {record.environment} tasks"
        )
    else:
        assert config.data
        share = config.data.labelled_share
        data = f"`{config.data.video}`, its {config.data.split} split, {share:.0%} of it labelled"
    sentences = [
        f"Preset `{training.preset}`, {data}. Steps: {training.latent_steps} of stage 1 and of "
        f"inverse dynamics, {training.pretrain_steps} of pretraining, {training.action_steps} on "
        "the demos."
    ]
    if evaluation := config.evaluation:
        sentences.append(
            f"Closed loop in {evaluation.environment} from the bundle, {evaluation.episodes} "
            f"episodes per task and seed, policy latency {evaluation.latency_s * 1000:.0f} ms."
        )
        if "unipi" in config.methods:
            sentences.append(
                "The plans of UniPi are played (open-loop), its looks two frames apart."
            )
    if config.offline:
        where = config.offline.data or (config.data.video if config.data else "")
        sentences.append(f"Offline on the {config.offline.split} split of `{where}`.")
    return " ".join(sentences) + "\n"


def number(metric: str) -> Callable[[float], str]:
    """How a metric is written."""
    return (lambda value: f"{value:.0%}") if metric == SUCCESS else (lambda value: f"{value:.3g}")


def title(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ").capitalize()


def _metrics(config: CompareConfig, findings: Findings) -> Iterator[str]:
    for metric in findings.metrics():
        found = rows(findings, metric)
        yield f"## {title(metric)}\n"
        yield _summary(found)
        if said := _meaning(findings, metric):
            yield said
        tasks = list(dict.fromkeys(task for one in found for task in one.tasks))
        if len(tasks) > 1:
            yield _by_task(found, tasks)
        if table := _pairs(findings, metric, config.methods):
            yield table


def _summary(found: Sequence[Row]) -> str:
    of_these = "Wilson" if any(one.wilson for one in found) else "over episodes"
    head = (
        "method", "mean", of_these, "over seeds", "each seed", "seeds", "episodes", "parameters",
        "training, CPU min",
    )  # fmt: skip
    body = []
    for one in found:
        write = number(one.metric)
        body.append(
            (
                one.variant,
                f"**{write(one.mean)}**",
                interval(one.wilson or one.episodes_interval, write),
                interval(one.seeds_interval, write),
                ", ".join(write(value) for value in one.by_seed.values()),
                str(len(one.by_seed)),
                str(one.episodes),
                f"{one.parameters / 1e6:.2f} M",
                f"{one.cpu_s / 60:.1f}",
            )
        )
    return table(head, body)


MEANING = {
    ACTION_ERROR: "Mean absolute error over the chunk, in units of the actions' spread.",
    DIRECTION: "Cosine between the chunk's displacement and the recorded one, where that moves.",
    ON_COURSE: f"Success proxy: {ON_COURSE_MEANS}.",
    CODE_ACCURACY: "Codes that are those which stage 1 reads between the frames themselves.",
}


def _meaning(findings: Findings, metric: str) -> str:
    """What a metric means, and what looking at nothing comes to; every task weighs alike."""
    known: dict[str, list[float]] = {}
    for found in findings.every:
        for name, value in found.references.get(metric, {}).items():
            known.setdefault(name, []).append(value)
    said = ", ".join(f"{name} {np.mean(values):.3g}" for name, values in known.items())
    words = [MEANING.get(metric, ""), f"Without looking: {said}." if said else ""]
    sentences = " ".join(filter(None, words))
    return sentences and sentences + "\n"


def _by_task(found: Sequence[Row], tasks: Sequence[str]) -> str:
    body = []
    for one in found:
        write = number(one.metric)
        cells = []
        for task in tasks:
            if solved := one.solved.get(task):
                cells.append(f"{solved[0]}/{solved[1]}")
            else:
                cells.append(write(one.tasks[task]) if task in one.tasks else "-")
        body.append((one.variant, *cells))
    return table(("method", *tasks), body)


def _pairs(findings: Findings, metric: str, methods: Sequence[str]) -> str:
    def write(value: float) -> str:
        return f"{round(value * 100):+d}" if metric == SUCCESS else f"{value:+.3g}"

    body = [
        (
            f"{pair.first} - {pair.second}",
            f"**{write(pair.difference)}**",
            interval(pair.seeds_interval, write),
            interval(pair.newcombe or pair.episodes_interval, write),
            str(pair.seeds),
        )
        for pair in pairs(findings, metric, methods)
    ]
    unit = "difference, points" if metric == SUCCESS else "difference"
    of_these = "Newcombe" if metric == SUCCESS else "paired, over episodes"
    return table(("pair", unit, "paired, over seeds", of_these, "seeds"), body) if body else ""


def _latencies(config: CompareConfig, findings: Findings) -> list[str]:
    """Success by how a bundle is driven and how late its policy is, with Wilson's interval."""
    ways = dict.fromkeys(
        (variant, condition.execution)
        for variant in findings.variants
        if len(findings.conditions(variant)) > 1
        for condition in findings.conditions(variant)
    )
    late = sorted({c.latency_s for v, _ in ways for c in findings.conditions(v)})
    body = []
    for variant, execution in ways:
        cells = []
        for latency_s in late:
            asked = [
                c
                for c in findings.conditions(variant)
                if (c.execution, c.latency_s) == (execution, latency_s)
            ]
            one = row(findings, variant, SUCCESS, asked[0]) if asked else None
            cells.append(
                f"{one.mean:.0%} {interval(one.wilson, lambda value: f'{value:.0%}')}"
                if one
                else "-"
            )
        body.append((f"{variant}, {execution}", *cells))
    head = ("driven", *(f"{latency_s * 1000:.0f} ms" for latency_s in late))
    return ["## Success against policy latency\n", table(head, body)]


def _grid(config: CompareConfig, findings: Findings) -> str:
    assert config.grid
    parts = []
    for metric in findings.metrics():
        write = number(metric)
        values = grid_values(config, findings, metric)
        body = [
            (f"n = {n}", *("-" if np.isnan(v) else write(v) for v in line))
            for n, line in zip(config.grid.n, values, strict=True)
        ]
        parts.append(f"## {title(metric)} by latent space\n")
        parts.append(table(("", *(f"k = {k}" for k in config.grid.k)), body))
    return "\n".join(parts)


def grid_values(config: CompareConfig, findings: Findings, metric: str) -> list[list[float]]:
    """Means [n, k] over the grid; NaN where nothing is known."""
    assert config.grid
    cells = [[row(findings, grid_name(n, k), metric) for k in config.grid.k] for n in config.grid.n]
    return [[cell.mean if cell else float("nan") for cell in line] for line in cells]


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def interval(found: Interval | None, write: Callable[[float], str]) -> str:
    """``(12% to 34%)``, or a dash."""
    return f"({write(found[0])} to {write(found[1])})" if found else "-"
