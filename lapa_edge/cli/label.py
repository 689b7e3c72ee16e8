"""``lapa-label``: a stage-1 run and its video in, codes for every frame out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.cli.dataset_flags import DatasetFlags

if TYPE_CHECKING:
    from lapa_edge.data.labels import Labels

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LabelFlags(DatasetFlags):
    """Label video with the codes of a latent action model: every frame that has a later one."""

    run: Path
    """The finished stage-1 run."""
    out: Path
    """Where the codes go, with latents before quantization and distances: a folder of its own, by
    custom beside the data (clips, clips.labels). Labelling that was stopped goes on there."""
    lerobot: Path | None = None
    """Also write a copy of the LeRobot dataset --data with the feature latent_action, here. With
    --split all every episode of the copy is labelled."""
    workers: int = 1
    """Processes that label; above 1 they run on Ray, one core each (the scale extra)."""
    ray: str = ""
    """Address of a Ray cluster to label on, whose machines share the paths of --run, --out and
    --cache; empty takes this machine."""
    clips_per_part: int = 32
    """Clips per file of labels: what a killed run loses at most, and a worker takes at a time."""
    instructions: tyro.conf.Suppress[Path | None] = None
    instruction_topic: tyro.conf.Suppress[str] = ""


def main() -> int:
    """Entry point of ``lapa-label``."""
    return run_command(label, LabelFlags, "lapa-label", LabelFlags.__doc__ or "")


def label(flags: LabelFlags) -> None:
    """Write the codes and say how they are used."""
    _check(flags)

    from rich.console import Console

    from lapa_edge.data.labels import describe_usage, read_labels

    _write(flags)
    labels = read_labels(flags.out)
    if flags.lerobot:
        _write_lerobot(flags, flags.lerobot, labels)
    usage = describe_usage(labels)
    Console().print(
        f"{usage.frames} frames; {usage.active} of {usage.k} codes used, "
        f"perplexity {usage.perplexity:.2f}; {usage.sequences} different sequences"
    )


def _check(flags: LabelFlags) -> None:
    """Refuse what would only fail after the labelling."""
    from lapa_edge.data.lerobot.reader import is_lerobot
    from lapa_edge.errors import ConfigError

    if flags.workers < 1:
        raise ConfigError("--workers", f"expected at least 1, got {flags.workers}")
    if flags.lerobot and not is_lerobot(flags.data):
        raise ConfigError(
            "--lerobot",
            f"expected a LeRobot dataset as --data, {flags.data} is none",
            "leave it away: the labels are in --out",
        )


def _write(flags: LabelFlags) -> None:
    """Write the labels, in this process or on Ray."""
    from lapa_edge.data.pairs import FramePairs
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.frames import open_frames
    from lapa_edge.train.label import LabelJob, describe_labels, label_video
    from lapa_edge.train.run_directory import RunDirectory

    run = RunDirectory(flags.run)
    codec = read_codec(run)
    dataset = flags.read()
    store = open_frames(dataset, codec.frame, flags.cache, flags.max_damaged, flags.camera)
    pairs = FramePairs(store, (codec.latent.gap_s,), dataset.fps)
    size = flags.clips_per_part
    if flags.workers == 1 and not flags.ray:
        label_video(codec, run.fingerprint(), store, pairs, flags.out, size)
        return

    from lapa_edge.train.label_scale import label_on_ray

    info = describe_labels(codec.latent, run.fingerprint(), store, pairs, size)
    label_on_ray(LabelJob(info, store, pairs, flags.out), run, flags.workers, flags.ray)


def _write_lerobot(flags: LabelFlags, target: Path, labels: Labels) -> None:
    from lapa_edge.data.lerobot.labels import by_episode, write_latent_feature

    bare = write_latent_feature(flags.data, target, by_episode(labels), labels.latent)
    if bare:
        log.warning(
            "%s: %d episodes without labels, outside --split %s or damaged; they are never valid",
            target, len(bare), flags.split,
        )  # fmt: skip
