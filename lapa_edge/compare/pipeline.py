"""A comparison from end to end: every variant with every seed on the same data, then the tables.

    out/config.json             what the comparison was begun with
    out/video/, demos/          recorded clips, with [record]
    out/frames/                 decoded frames
    out/VARIANT/SEED/           a training and what it came to (see `trial`, `results`)
    out/report/                 compare.json, .md, .png; anew after every seed, in one rename

Goes on where it was stopped: clip by clip, step by step, rollout by rollout.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lapa_edge.compare.config import CompareConfig, claim
from lapa_edge.compare.judge import judge
from lapa_edge.compare.material import prepare_material
from lapa_edge.compare.report import write_report
from lapa_edge.compare.results import complete, read_findings
from lapa_edge.compare.trial import Trial, train_trial
from lapa_edge.compare.variants import choose, variants
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.evaluate.registry import check_environment
from lapa_edge.evaluate.workers import run_in_workers
from lapa_edge.progress import progress_bar


def compare(config: CompareConfig, out: Path, processes: int = 2, only: Sequence[str] = ()) -> Path:
    """Do what is not done yet, and write the report on all that is.

    Args:
        config: see `CompareConfig`.
        out: a new folder, or that of a comparison with the same settings.
        processes: trainings or simulators at a time, one thread each.
        only: names of variants; the others wait for another time.

    Returns:
        The report's folder.

    Raises:
        LapaError: what the data, a training, an export or a simulator refuses; finished work is
            kept.
    """
    every = variants(config)
    chosen = choose(every, only)
    import_extra("matplotlib")
    for asked in (config.record, config.evaluation):  # now rather than after hours of training
        if asked:
            simulator = Path(asked.simulator) if asked.simulator else None
            check_environment(asked.environment, asked.tasks, simulator)
    with claim(out, config):
        wanted = [
            [Trial(config, out, v, seed) for v in chosen if not complete(out, v, seed)]
            for seed in range(config.seeds)
        ]
        if any(wanted):
            prepare_material(config, out, processes)
        for trials in filter(None, wanted):
            _train(trials, processes)
            judge(trials, processes)
            write_report(config, read_findings(out, every), out / "report")
        return write_report(config, read_findings(out, every), out / "report")


def _train(trials: Sequence[Trial], processes: int) -> None:
    untrained = [trial for trial in trials if not trial.trained]
    with progress_bar() as bar:
        task = bar.add_task(f"train, seed {trials[0].seed}", total=len(trials))
        bar.advance(task, len(trials) - len(untrained))
        for _ in run_in_workers(train_trial, untrained, processes):
            bar.advance(task)
