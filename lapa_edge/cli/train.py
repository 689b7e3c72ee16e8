"""``lapa-train latents | policy | actions``: the three stages, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command

if TYPE_CHECKING:
    from lapa_edge.data.episode import Dataset
    from lapa_edge.data.frame_store import FrameStore
    from lapa_edge.spec import FrameSpec
    from lapa_edge.train.loop import LoopConfig

Preset = Literal["debug", "tiny", "small"]


@dataclass(frozen=True)
class DataFlags:
    """What every stage is told."""

    data: Path
    """Folder of video files with instructions.{csv,jsonl,json}, or a Language Table dataset."""
    out: Path
    """Run directory; a run that was stopped goes on from its last checkpoint."""
    instructions: Path | None = None
    """Instructions elsewhere: CSV, JSONL, JSON or Parquet, by clip."""
    split: Literal["train", "val", "all"] = "train"
    """Which episodes, where the dataset has splits."""
    preset: Preset = "tiny"
    """Size of the networks: tiny for two CPU cores, small for a GPU, debug for a smoke test."""
    steps: int = 600
    """Optimizer steps."""
    batch: int = 48
    """Samples per step."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    seed: int = 0
    """Seed of the weights and of every batch."""
    cache: Path = Path("~/.cache/lapa-edge/frames")
    """Where decoded frames are kept."""


@dataclass(frozen=True)
class Latents(DataFlags):
    """Stage 1: learn latent actions from video without actions."""

    demos: Path | None = None
    """Labelled demos, if there are any yet: a joint action head draws the latents to actions."""
    gap_s: tuple[float, ...] = (0.2, 0.3, 0.4)
    """Times between the two frames of a pair, seconds; the middle one is used for labels."""
    n: int = 4
    """Codes per latent action."""
    k: int = 8
    """Codebook size."""
    quantizer: Literal["ema", "nsvq"] = "ema"
    """ema: averaged codebook; nsvq: the paper's noise substitution."""
    motion_weight: float = 4.0
    """Extra loss weight of pixels that move; 0 is plain MSE."""


@dataclass(frozen=True)
class Policy(DataFlags):
    """Stage 2: learn to predict codes from a frame and an instruction."""

    labels: Path = tyro.MISSING
    """What lapa-label wrote for the same data."""


@dataclass(frozen=True)
class Actions(DataFlags):
    """Stage 3: ground the latents in a few labelled demos."""

    latents: Path | None = None
    """The stage-1 run."""
    policy: Path | None = None
    """The stage-2 run."""
    scratch: bool = False
    """The Scratch baseline: no stages 1 and 2."""
    labelled_share: float = 1.0
    """Share of the labelled episodes to use, (0, 1]; 0.1 takes every tenth."""
    chunk: int = 8
    """Actions per chunk, control steps."""
    policy_hz: float = 10.0
    """Rate at which the policy will look at the camera, Hz."""
    max_latent_age_s: float = 0.4
    """Oldest latent the head must cope with, seconds; past it the robot stops."""
    trunk_rate: float = 0.0
    """Learning rate of the pretrained trunk, as a share of the head's; 0 freezes it."""


Stage = (
    Annotated[Latents, tyro.conf.subcommand("latents")]
    | Annotated[Policy, tyro.conf.subcommand("policy")]
    | Annotated[Actions, tyro.conf.subcommand("actions")]
)


def main() -> int:
    """Entry point of ``lapa-train``."""
    return run_command(
        train,
        Stage,  # type: ignore[arg-type]
        "lapa-train",
        "Train one stage: latents (video), policy (video and codes), actions (demos).",
    )


def train(flags: Latents | Policy | Actions) -> None:
    """Run the stage that the flags are of."""
    if isinstance(flags, Latents):
        _train_latents(flags)
    elif isinstance(flags, Policy):
        _train_policy(flags)
    else:
        _train_actions(flags)


def _train_latents(flags: Latents) -> None:
    from dataclasses import replace

    from lapa_edge.data.dataset import read_dataset
    from lapa_edge.data.pairs import FramePairs
    from lapa_edge.model.quantizer import QuantizerConfig
    from lapa_edge.spec import FrameSpec
    from lapa_edge.train.frames import open_frames
    from lapa_edge.train.latents import LatentsConfig, labelled_pairs, train_latents
    from lapa_edge.train.presets import PRESETS
    from lapa_edge.train.run_directory import RunDirectory

    model = replace(
        PRESETS[flags.preset].latents,
        n=flags.n,
        quantizer=QuantizerConfig(kind=flags.quantizer, k=flags.k),
    )
    labelled = None
    if flags.demos:
        demos = read_dataset(flags.demos).labelled
        frame = FrameSpec(height=model.height, width=model.width)
        labelled = labelled_pairs(demos, open_frames(demos, frame, flags.cache), flags.gap_s)
        model = replace(model, action_dim=labelled.pairs.action_dim)
    config = LatentsConfig(
        model=model, loop=_loop(flags), gap_s=flags.gap_s, motion_weight=flags.motion_weight
    )
    dataset = _read(flags)
    store = _frames(flags, dataset, config.frame)
    pairs = FramePairs(store, config.gap_s, dataset.fps)
    train_latents(config, store, pairs, RunDirectory(flags.out), labelled)


def _train_policy(flags: Policy) -> None:
    from lapa_edge.data.labels import read_labels
    from lapa_edge.train.policy import policy_config, train_policy
    from lapa_edge.train.presets import PRESETS
    from lapa_edge.train.run_directory import RunDirectory

    labels = read_labels(flags.labels)
    dataset = _read(flags)
    config = policy_config(dataset, labels, PRESETS[flags.preset].policy, _loop(flags))
    store = _frames(flags, dataset, config.frame)
    train_policy(config, dataset, store, labels, RunDirectory(flags.out))


def _train_actions(flags: Actions) -> None:
    from lapa_edge.errors import ConfigError
    from lapa_edge.spec import TimingSpec
    from lapa_edge.train.actions import actions_config, train_actions
    from lapa_edge.train.latents import read_latent_model
    from lapa_edge.train.policy import read_policy
    from lapa_edge.train.presets import PRESETS
    from lapa_edge.train.run_directory import RunDirectory

    dataset = _read(flags, flags.labelled_share).labelled
    pretrained = None
    tokenizer, latent, policy = None, None, PRESETS[flags.preset].policy
    if not flags.scratch:
        if flags.policy is None or flags.latents is None:
            raise ConfigError(
                "lapa-train actions", "expected --latents RUN and --policy RUN, or --scratch"
            )
        stage2, instructed = read_policy(RunDirectory(flags.policy))
        _, latent_model = read_latent_model(RunDirectory(flags.latents))
        pretrained = (instructed, latent_model.quantizer.codebook.detach().cpu().clone())
        tokenizer, latent, policy = stage2.tokenizer, stage2.latent, stage2.model
    config = actions_config(
        dataset,
        latent=latent,
        tokenizer=tokenizer,
        policy=policy,
        head=PRESETS[flags.preset].head,
        timing=TimingSpec(policy_hz=flags.policy_hz, max_latent_age_s=flags.max_latent_age_s),
        chunk=flags.chunk,
        loop=_loop(flags),
        trunk_rate=flags.trunk_rate,
    )
    store = _frames(flags, dataset, config.spec.frame)
    train_actions(config, pretrained, dataset, store, RunDirectory(flags.out))


def _loop(flags: DataFlags) -> LoopConfig:
    from lapa_edge.train.loop import LoopConfig

    return LoopConfig(
        steps=flags.steps, batch=flags.batch, learning_rate=flags.learning_rate, seed=flags.seed
    )


def _read(flags: DataFlags, labelled_share: float = 1.0) -> Dataset:
    from lapa_edge.data.dataset import ReadOptions, read_dataset

    return read_dataset(flags.data, ReadOptions(flags.instructions, flags.split, labelled_share))


def _frames(flags: DataFlags, dataset: Dataset, frame: FrameSpec) -> FrameStore:
    from lapa_edge.train.frames import open_frames

    return open_frames(dataset, frame, flags.cache)
