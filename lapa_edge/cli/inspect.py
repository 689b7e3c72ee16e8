"""``lapa-inspect report | rollout``: judge a latent action model before a robot has moved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.cli.dataset_flags import DatasetFlags

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lapa_edge.data.episode import Dataset
    from lapa_edge.data.frame_store import FrameStore
    from lapa_edge.evaluate.latent_codec import LatentCodec
    from lapa_edge.evaluate.latents.rollout import Choose
    from lapa_edge.evaluate.latents.sample import Tick


@dataclass(frozen=True)
class SourceFlags(DatasetFlags):
    """The model and the video to judge it on, for both subcommands.

    Best are clips that it was not trained on. Without actions, the parts that need them are left
    out.
    """

    split: Literal["train", "val", "all"] = "val"
    """Which episodes; where the dataset has no splits, say all."""
    run: Path = tyro.MISSING
    """The stage-1 run."""
    weights: Literal["last", "best"] = "last"
    """Which weights: those after the last step, or those that did best on held-out clips (of an
    unfinished run, too)."""
    out: Path = tyro.MISSING
    """report: a folder for the page; rollout: a video (.mp4 .mkv .mov .avi .gif)."""


@dataclass(frozen=True)
class Report(SourceFlags):
    """Write one page of pictures and numbers, and report.json."""

    pairs: int = 4000
    """Frame pairs to measure on; all there are where the video holds fewer."""
    seed: int = 0
    """Seed of the pairs, the shuffles, the probes' splits and the intervals."""
    splits: int = 3
    """Random splits of the episodes for the probes."""
    transfers: int = 1000
    """Codes to carry over from clip to clip, at most."""


@dataclass(frozen=True)
class Rollout(SourceFlags):
    """Imagine a video: one frame, then code after code decoded from the frame before."""

    clip: str = tyro.MISSING
    """Which clip the first frame is of."""
    start: float = 0.0
    """When in the clip it lies, seconds."""
    codes: str | None = None
    """Codes of each step, as "1 2 3 4; 1 2 0 4"; or true, for those of the clip itself."""
    policy: Path | None = None
    """A stage-2 run that chooses the codes from each imagined frame, in place of --codes."""
    instruction: str = ""
    """What the policy is told; the clip's own instruction where this is empty."""
    steps: int | None = None
    """How many steps: 8 for --policy, what the clip holds for --codes true."""


Command = (
    Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Rollout, tyro.conf.subcommand("rollout")]
)

POLICY_STEPS = 8
TRUE = "true"


def main() -> int:
    """Entry point of ``lapa-inspect``."""
    return run_command(
        inspect,
        Command,  # type: ignore[arg-type]
        "lapa-inspect",
        "Judge a latent action model by what its codes do and what can be read out of them.",
    )


def inspect(flags: Report | Rollout) -> None:
    """Run the subcommand that the flags are of."""
    if isinstance(flags, Report):
        _report(flags)
    else:
        _rollout(flags)


def _report(flags: Report) -> None:
    from lapa_edge.errors import ConfigError
    from lapa_edge.evaluate.latents.extra import import_extra
    from lapa_edge.evaluate.latents.study import StudySettings

    settings = StudySettings(
        pairs=flags.pairs, seed=flags.seed, splits=flags.splits, transfers=flags.transfers
    )
    if flags.out.exists() and not flags.out.is_dir():
        raise ConfigError("--out", f"expected a folder, {flags.out} is a file")
    for module in ("matplotlib", "sklearn", "PIL"):  # missed now rather than after minutes
        import_extra(module)

    from rich.console import Console

    from lapa_edge.evaluate.latents.figures import FIGURES, draw_figures
    from lapa_edge.evaluate.latents.page import Source, write_report
    from lapa_edge.evaluate.latents.study import gather, study
    from lapa_edge.evaluate.latents.words import findings
    from lapa_edge.progress import progress_bar
    from lapa_edge.train.run_directory import RunDirectory

    codec = _codec(flags)
    dataset, store = _video(flags, codec)
    flags.out.mkdir(parents=True, exist_ok=True)
    with progress_bar() as bar:

        def follow(what: str, total: int) -> Tick:
            task = bar.add_task(what, total=total)
            return lambda done: bar.advance(task, done)

        material = gather(codec, dataset, store, settings, follow)
        found = study(material, settings, follow)
        drawn = draw_figures(material, found, flags.out, follow("draw", len(FIGURES)))
    source = Source(
        run=str(flags.run),
        data=str(flags.data),
        split=flags.split,
        model_sha256=RunDirectory(flags.run).fingerprint(flags.weights == "best"),
    )
    page = write_report(found, source, drawn, flags.out)
    console = Console()
    for line in findings(found):
        console.print(f"[bold]{line.name}[/bold]: {line.value}. {line.reading}", highlight=False)
    console.print(f"report: {page}")


def _rollout(flags: Rollout) -> None:
    _check_rollout(flags)

    from rich.console import Console

    from lapa_edge.evaluate.latents.rollout import (
        codes_in_turn,
        find_start,
        imagine,
        parse_codes,
        true_future,
    )
    from lapa_edge.evaluate.latents.rollout_pictures import write_rollout
    from lapa_edge.progress import progress_bar

    codec = _codec(flags)
    gap_s, codes, truth = codec.latent.gap_s, None, None
    if flags.codes not in (None, TRUE):
        codes = parse_codes(flags.codes, codec.latent)
    dataset, store = _video(flags, codec)
    fps = dataset.fps.get(flags.clip, 1.0)
    start = find_start(store, fps, flags.clip, flags.start)
    if flags.codes == TRUE:
        truth = true_future(store, fps, flags.clip, start, gap_s, flags.steps)
        codes = codec.encode(truth[:-1], truth[1:]).codes
    if codes is None:
        choose, steps = _policy(flags, codec, dataset), flags.steps or POLICY_STEPS
    else:
        choose, steps = codes_in_turn(codes), len(codes)
    with progress_bar() as bar:
        task = bar.add_task("imagine", total=steps)
        frame = store.frames(flags.clip)[start]
        imagined = imagine(codec, frame, steps, choose, lambda done: bar.advance(task, done))
    strip = write_rollout(flags.out, imagined, truth, gap_s)
    Console().print(f"{steps} frames, {gap_s:g} s apart: {flags.out}; stills: {strip}")


def _check_rollout(flags: Rollout) -> None:
    """Refuse flags that do not go together, before anything is read."""
    from lapa_edge.errors import ConfigError
    from lapa_edge.evaluate.latents.extra import import_extra

    import_extra("PIL")
    from lapa_edge.evaluate.latents.rollout_pictures import check_suffix

    check_suffix(flags.out)
    if (flags.codes is None) == (flags.policy is None):
        raise ConfigError("lapa-inspect rollout", "expected either --codes or --policy")
    if flags.steps is not None and flags.steps < 1:
        raise ConfigError("--steps", f"expected at least 1, got {flags.steps}")
    if flags.steps is not None and flags.codes not in (None, TRUE):
        raise ConfigError("--steps", "there are as many as --codes has", "leave it away")
    if flags.instruction and flags.policy is None:
        raise ConfigError("--instruction", "only a --policy reads it", "leave it away")


def _policy(flags: Rollout, codec: LatentCodec, dataset: Dataset) -> Choose:
    """The codes that a stage-2 policy thinks best, for each imagined frame."""
    import logging

    import torch

    from lapa_edge.errors import ConfigError
    from lapa_edge.train.batches import frames_to_tensor
    from lapa_edge.train.device import pick_device
    from lapa_edge.train.policy import read_policy
    from lapa_edge.train.run_directory import RunDirectory

    assert flags.policy is not None
    config, model = read_policy(RunDirectory(flags.policy))
    for what, own, other in (
        ("latent space", config.latent, codec.latent),
        ("frame", config.frame, codec.frame),
    ):
        if own != other:
            raise ConfigError(
                f"policy {flags.policy}",
                f"expected the {what} of {flags.run}, {other}, got {own}",
                "give the stage-1 run that labelled the policy's video",
            )
    own_words = {episode.name: episode.instruction for episode in dataset.episodes}
    instruction = flags.instruction or own_words[flags.clip]
    if not instruction:
        raise ConfigError("--instruction", f"clip {flags.clip} has none of its own", "give one")
    unknown = config.tokenizer.unknown_words(instruction)
    if unknown:
        logging.getLogger(__name__).warning("the policy never met %s", ", ".join(unknown))
    device = pick_device()
    model = model.to(device)
    ids = torch.from_numpy(config.tokenizer.encode(instruction)).to(device)

    @torch.inference_mode()
    def choose(frame: NDArray[np.uint8], _step: int) -> NDArray[np.int32]:
        logits, _ = model(frames_to_tensor(frame[None], config.frame, device), ids)
        best: NDArray[np.int32] = logits[0].argmax(-1).to(torch.int32).cpu().numpy()
        return best

    return choose


def _codec(flags: SourceFlags) -> LatentCodec:
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.run_directory import RunDirectory

    return read_codec(RunDirectory(flags.run), best=flags.weights == "best")


def _video(flags: SourceFlags, codec: LatentCodec) -> tuple[Dataset, FrameStore]:
    """The clips, and their frames at the model's size."""
    from lapa_edge.train.frames import open_frames

    dataset = flags.read()
    return dataset, open_frames(dataset, codec.frame, flags.cache, flags.max_damaged, flags.camera)
