"""The five methods that a comparison trains, each by one call.

    scratch     demos -> trunk and head                              stage 3 alone
    unipi       video -> predictor; demos -> inverse dynamics        plans a frame, reads its actions
    vpt         demos -> inverse dynamics -> pseudo-actions of the video -> trunk and head -> demos
    lapa        video -> latent actions -> latent policy -> head on the demos     stages 1, 2, 3
    actionvla   the video's true actions -> trunk and head -> demos               the ceiling

All share the frames, the trunk, the head, the words, the steps and the demos (LAPA, arXiv
2410.11758, section 4). Fine-tuning takes ``action_steps``, whatever came before; what is pretrained
on video takes ``pretrain_steps``, stage 1 and the inverse dynamics ``latent_steps``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError
from lapa_edge.spec import FrameSpec, HeadPart, TimingSpec
from lapa_edge.train.presets import PresetName
from lapa_edge.train.run_directory import RunDirectory

METHODS = ("scratch", "unipi", "vpt", "lapa", "actionvla")


@dataclass(frozen=True)
class Material:
    """What there is to learn from.

    Attributes:
        video: clips with instructions; their steps, if any, are read by actionvla alone.
        demos: the few labelled episodes.
        frames: opens the frames of a dataset at a size, decoded once.
    """

    video: Dataset
    demos: Dataset
    frames: Callable[[Dataset, FrameSpec], FrameStore]


@dataclass(frozen=True)
class MethodConfig:
    """How much of everything; the same for every method."""

    preset: PresetName = "tiny"
    """Size of the networks."""
    seed: int = 0
    """Seed of the weights and of every batch."""
    latent_steps: int = 400
    """Optimizer steps of stage 1, and of the inverse dynamics."""
    pretrain_steps: int = 700
    """Optimizer steps of what is pretrained on video: the latent policy, vpt, actionvla, unipi."""
    action_steps: int = 800
    """Optimizer steps on the demos."""
    latent_batch: int = 32
    """Samples per step of stage 1, the inverse dynamics and the video predictor."""
    batch: int = 48
    """Samples per step of the others."""
    learning_rate: float = 1e-3
    """Peak learning rate of every training."""
    timing: TimingSpec = field(
        default_factory=lambda: TimingSpec(policy_hz=10.0, max_latent_age_s=0.4)
    )
    """Rate at which the policy looks, and the oldest latent the head must cope with."""
    chunk: int = 8
    """Actions per chunk, control steps."""
    gap_s: tuple[float, ...] = (0.2, 0.3, 0.4)
    """lapa: times between the two frames of a pair, seconds. The middle one labels, and lies between
    the frames of the inverse dynamics."""
    n: int = 4
    """lapa: codes per latent action."""
    k: int = 8
    """lapa: codebook size."""
    joint_actions: bool = True
    """lapa: whether stage 1 sees the actions of the demos too, by its joint head."""
    trunk_rate: float = 0.0
    """Learning rate of a pretrained trunk on the demos, as a share of the head's; 0 freezes it."""
    trunk_rates: dict[str, float] = field(default_factory=dict)
    """The same by method, where it is to differ: lapa, vpt, actionvla."""
    head_inputs: tuple[HeadPart, ...] | None = None
    """What the action head is told; None is all that stage 3 knows."""


def train_method(
    method: str, material: Material, config: MethodConfig, root: Path, shared: Path | None = None
) -> RunDirectory:
    """Train one method, going on where it was stopped; a finished one is only opened.

    Args:
        method: one of `METHODS`.
        material: what there is to learn from.
        config: how much of everything.
        root: where the method's own runs go.
        shared: where the runs go that several methods of one seed share, `root` unless given:
            ``latents``, ``labels`` and ``policy`` of lapa and its variants of the head,
            ``inverse_dynamics`` of vpt and unipi. Processes that need the same one wait.

    Returns:
        The finished stage-3 run, for `train.actions.read_agent`: ``root/actions``.

    Raises:
        ConfigError: no such method, or `root` was started with another method or config.
        DataError: the data lacks what the method needs; the message says what.
    """
    if method not in METHODS:
        raise ConfigError("method", f"expected one of {', '.join(METHODS)}, got {method}")
    raise NotImplementedError
