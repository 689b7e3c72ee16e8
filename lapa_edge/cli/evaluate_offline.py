"""``lapa-eval --data``: what the policy would do, beside what was done in a labelled dataset."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lapa_edge.cli.evaluated import read_evaluated, read_stage1
from lapa_edge.errors import ConfigError

if TYPE_CHECKING:
    from lapa_edge.cli.evaluate import EvaluateFlags
    from lapa_edge.data.episode import Dataset
    from lapa_edge.spec import PolicySpec

logger = logging.getLogger(__name__)


def evaluate_offline(flags: EvaluateFlags, path: Path, data: Path) -> None:
    """Ask the policy about every labelled episode, and report."""
    from rich.console import Console
    from rich.markdown import Markdown

    from lapa_edge.data.labels import read_labels
    from lapa_edge.evaluate.claim import claim
    from lapa_edge.evaluate.known_codes import codes_of_codec, codes_of_labels
    from lapa_edge.evaluate.offline import evaluate_offline as judge
    from lapa_edge.evaluate.report import describe_offline, write_offline_report
    from lapa_edge.progress import progress_bar

    if flags.labels and flags.latents:
        raise ConfigError("--labels", "stands beside --latents", "give one of the two")
    policy = read_evaluated(path, flags.head, flags.backend, flags.device, flags.graph)
    codec = read_stage1(flags.latents, policy.spec) if flags.latents else None
    dataset, *others = _views(flags, data, policy.spec)
    codes = codes_of_labels(read_labels(flags.labels), dataset) if flags.labels else None
    settings = {
        "policy": path.name, "sha256": policy.fingerprint, "data": data.name, "split": flags.split,
        "camera": flags.camera, "latency_s": flags.latency_s, "every": flags.every,
        "head": flags.head, "policy runs on": f"{flags.backend} {flags.device or ''} {flags.graph}",
    }  # fmt: skip
    if flags.out:
        claim(flags.out, settings)
    count = len(dataset.labelled.episodes)
    with progress_bar() as bar:
        if codec is not None:
            reading = bar.add_task("stage-1 codes", total=count)
            codes = codes_of_codec(codec, dataset, lambda done: bar.advance(reading, done))
        judging = bar.add_task("episodes", total=count)
        result = judge(
            lambda instruction: policy.open(
                instruction, flags.head, flags.backend, flags.device, flags.graph
            ),
            dataset,
            others,
            latency_s=flags.latency_s,
            every=flags.every,
            codes=codes,
            tick=lambda done: bar.advance(judging, done),
        )
    if unknown := sorted({word for episode in result.each for word in episode.unknown}):
        logger.warning("the policy never met the words %s", ", ".join(unknown))
    Console().print(Markdown(describe_offline(path.name, result, settings)))
    if flags.out:
        write_offline_report(flags.out, path.name, result, settings)


def _views(flags: EvaluateFlags, data: Path, spec: PolicySpec) -> list[Dataset]:
    """The dataset as each of the policy's cameras saw it, in their order."""
    from lapa_edge.data.dataset import ReadOptions, read_dataset

    several = len(spec.cameras) > 1
    if several and flags.camera:
        cameras = ", ".join(spec.cameras)
        raise ConfigError("--camera", f"the policy looks through {cameras}", "leave it out")
    # The one camera of a policy may go by any name in its data.
    names = spec.cameras if several else (flags.camera,)
    return [
        read_dataset(data, ReadOptions(split=flags.split, camera=name, fps=flags.fps))
        for name in names
    ]
