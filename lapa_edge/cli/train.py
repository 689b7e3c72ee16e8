"""``lapa-train latents | policy | actions``: the three stages, one after another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.cli.compare import Compare, compare
from lapa_edge.cli.stage_flags import PolicyFlags, StageFlags
from lapa_edge.cli.sweep import Sweep, sweep
from lapa_edge.cli.train_baseline import BaselineFlags, check_without_baseline, train_baseline
from lapa_edge.cli.train_latents import Latents, train_latents
from lapa_edge.spec import HEAD_PARTS, HeadPart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lapa_edge.data.episode import Dataset


@dataclass(frozen=True)
class Policy(PolicyFlags):
    """Stage 2: learn to predict codes from a frame and an instruction."""

    labels: Path = tyro.MISSING
    """What lapa-label wrote for the same data."""
    state: bool = False
    """Tell the policy the robot's state, in the clips that have one; hidden at random."""
    shift: int = 4
    """Augmentation: largest random shift, pixels; 0 is none."""
    light: float = 0.1
    """Augmentation: largest relative change of light; 0 is none."""


@dataclass(frozen=True)
class Actions(BaselineFlags):
    """Stage 3: ground the latents in a few labelled demos."""

    latents: Path | None = None
    """The stage-1 run."""
    policy: Path | None = None
    """The stage-2 run."""
    labelled_share: float = 1.0
    """Share of the labelled episodes to use, (0, 1]; 0.1 takes every tenth."""
    chunk: int = 8
    """Actions per chunk, control steps."""
    policy_hz: float = 10.0
    """Rate at which the policy will look at the camera, Hz."""
    max_latent_age_s: float = 0.4
    """Oldest latent the head must cope with, seconds; past it the robot stops."""
    blend_s: float | None = None
    """How long the robot leads the head from one latent to the next, seconds, 0 to
    --max-latent-age-s; 0 is at once. Half a policy period, unless given."""
    trunk_rate: float = 0.0
    """Learning rate of the pretrained trunk, as a share of the head's; 0 freezes it."""
    decoding: Literal["direct", "bins", "flow"] = "direct"
    """Chunks by regression (L1), the paper's 256 equal-frequency bins, or flow matching in four
    steps. The native control loop drives direct heads; `Session` drives all."""
    head_inputs: tuple[HeadPart, ...] = HEAD_PARTS
    """What the head is told, in this order; latent, context and state are always among it."""
    latent_input: Literal["quantized", "continuous", "both"] = "both"
    """The latent as the codes' vectors, as predicted before quantization, or both."""
    look_state: bool = False
    """Tell the head where the robot was at the look too: it then knows how much of a late plan is
    done."""
    code_weight: float = 0.0
    """Weight of still predicting the demos' codes while the trunk is fine-tuned."""


Stage = (
    Annotated[Latents, tyro.conf.subcommand("latents")]
    | Annotated[Policy, tyro.conf.subcommand("policy")]
    | Annotated[Actions, tyro.conf.subcommand("actions")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
)


def main() -> int:
    """Entry point of ``lapa-train``."""
    return run_command(
        train,
        Stage,  # type: ignore[arg-type]
        "lapa-train",
        "Train a stage: latents (video), policy (video, codes), actions (demos); or sweep stage 1; "
        "or compare methods from end to end.",
    )


def train(flags: Latents | Policy | Actions | Sweep | Compare) -> None:
    """Run the stage that the flags are of."""
    if isinstance(flags, Latents):
        train_latents(flags)
    elif isinstance(flags, Sweep):
        sweep(flags)
    elif isinstance(flags, Compare):
        compare(flags)
    elif isinstance(flags, Policy):
        _train_policy(flags)
    else:
        _train_actions(flags)


def _train_policy(flags: Policy) -> None:
    from lapa_edge.data.labels import read_labels
    from lapa_edge.train.policy import policy_config, train_policy
    from lapa_edge.train.run_directory import RunDirectory

    network = flags.network()
    labels = read_labels(flags.labels)
    dataset = flags.read()
    config = policy_config(dataset, labels, network, flags.loop(), with_state=flags.state)
    config = replace(
        config, shift=flags.shift, light=flags.light, colour=flags.colour, erase=flags.erase
    )
    store = flags.frames(dataset, config.frame)
    train_policy(config, dataset, store, labels, RunDirectory(flags.out))


def _train_actions(flags: Actions) -> None:
    if flags.baseline:
        train_baseline(flags)
        return
    from lapa_edge.errors import ConfigError
    from lapa_edge.train.actions import actions_config, train_actions
    from lapa_edge.train.demo_spec import timing_of
    from lapa_edge.train.latents import read_latent_model
    from lapa_edge.train.policy import read_policy
    from lapa_edge.train.presets import PRESETS
    from lapa_edge.train.run_directory import RunDirectory

    if flags.policy is None or flags.latents is None:
        raise ConfigError(
            "lapa-train actions", "expected --latents RUN and --policy RUN, or --baseline NAME"
        )
    check_without_baseline(flags)
    dataset = flags.read(flags.labelled_share).labelled
    stage2, instructed = read_policy(RunDirectory(flags.policy))
    _, latent_model = read_latent_model(RunDirectory(flags.latents))
    codebook = latent_model.quantizer.codebook.detach().cpu().clone()
    config = actions_config(
        dataset,
        latent=stage2.latent,
        tokenizer=stage2.tokenizer,
        policy=flags.as_trained(stage2.model),
        head=PRESETS[flags.preset].head,
        timing=timing_of(flags.policy_hz, flags.max_latent_age_s, flags.blend_s),
        chunk=flags.chunk,
        loop=flags.loop(),
        trunk_rate=flags.trunk_rate,
        head_inputs=flags.head_inputs,
        latent_input=flags.latent_input,
        decoding=flags.decoding,
        code_weight=flags.code_weight,
        look_state=flags.look_state,
    )
    config = replace(config, colour=flags.colour, erase=flags.erase)
    store = flags.frames(dataset, config.spec.frame)
    codes = _codes(flags, dataset) if flags.code_weight else None
    pretrained = (instructed, codebook)
    train_actions(config, pretrained, dataset, store, RunDirectory(flags.out), codes)


def _codes(flags: Actions, demos: Dataset) -> dict[str, NDArray[np.int64]]:
    """The demos' codes by the stage-1 run."""
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.frame_codes import frame_codes
    from lapa_edge.train.run_directory import RunDirectory

    assert flags.latents is not None
    codec = read_codec(RunDirectory(flags.latents))
    # Stage 1 knows one camera: the first.
    return frame_codes(codec, StageFlags.frames(flags, demos, codec.frame), demos.fps)
