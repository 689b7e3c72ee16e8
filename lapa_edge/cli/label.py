"""``lapa-label``: a stage-1 run and its video in, codes for every frame out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lapa_edge.cli.command import run_command


@dataclass(frozen=True)
class LabelFlags:
    """Label video with the codes of a latent action model."""

    run: Path
    """The finished stage-1 run."""
    data: Path
    """Folder of video files, or a Language Table dataset."""
    out: Path
    """Where the codes go; labelling that was stopped goes on where it was."""
    split: Literal["train", "val", "all"] = "train"
    """Which episodes, where the dataset has splits."""
    cache: Path = Path("~/.cache/lapa-edge/frames")
    """Where decoded frames are kept."""


def main() -> int:
    """Entry point of ``lapa-label``."""
    return run_command(label, LabelFlags, "lapa-label", LabelFlags.__doc__ or "")


def label(flags: LabelFlags) -> None:
    """Write the codes and say how they are used."""
    from rich.console import Console

    from lapa_edge.data.dataset import ReadOptions, read_dataset
    from lapa_edge.data.labels import describe_usage, read_labels
    from lapa_edge.data.pairs import FramePairs
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.frames import open_frames
    from lapa_edge.train.label import label_video
    from lapa_edge.train.run_directory import RunDirectory

    run = RunDirectory(flags.run)
    codec = read_codec(run)
    dataset = read_dataset(flags.data, ReadOptions(split=flags.split))
    store = open_frames(dataset, codec.frame, flags.cache)
    pairs = FramePairs(store, (codec.latent.gap_s,), dataset.fps)
    label_video(codec, run.fingerprint(), store, pairs, flags.out)
    usage = describe_usage(read_labels(flags.out))
    Console().print(
        f"{usage.frames} frames; {usage.active} of {usage.k} codes used, "
        f"perplexity {usage.perplexity:.2f}; {usage.sequences} different sequences"
    )
