"""How much of everything a method gets, and from what: the same for all five."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.model.text import TRAINED
from lapa_edge.spec import HEAD_PARTS, Decoding, FrameSpec, HeadPart, TimingSpec
from lapa_edge.train.demo_spec import timing_of
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.presets import PRESETS, Preset, PresetName

FINE_TUNED = ("lapa", "vpt", "actionvla")
"""The methods that bring a pretrained trunk to the demos."""


@dataclass(frozen=True)
class Material:
    """What there is to learn from.

    Attributes:
        video: clips with instructions; their steps, if any, are read by actionvla alone.
        demos: the few labelled episodes; others are passed over.
        frames: opens the frames of a dataset at a size, decoded once.

    Raises:
        DataError: no demo is labelled.
    """

    video: Dataset
    demos: Dataset
    frames: Callable[[Dataset, FrameSpec], FrameStore]

    def __post_init__(self) -> None:
        object.__setattr__(self, "demos", self.demos.labelled)
        if not self.demos.episodes or self.demos.robot is None:
            raise DataError(
                f"demos {self.demos.root}", "expected labelled demos, got none",
                "see the README on labelled data",
            )  # fmt: skip


@dataclass(frozen=True)
class MethodConfig:
    """How much of everything."""

    preset: PresetName = "tiny"
    """Size of the networks."""
    text: str = TRAINED
    """What reads the instruction: "trained" or a frozen encoder, as in `PolicyConfig.text`."""
    policy: PolicyConfig | None = None
    """The trunk and what reads the instruction, in place of the preset's and of `text`."""
    seed: int = 0
    """Seed of the weights and of every batch."""
    latent_steps: int = 400
    """Optimizer steps of stage 1, and of the inverse dynamics."""
    pretrain_steps: int = 700
    """Optimizer steps of what is pretrained on video: the latent policy, vpt, actionvla, unipi."""
    action_steps: int = 800
    """Optimizer steps on the demos."""
    latent_batch: int = 32
    """Samples per step of stage 1, the inverse dynamics and the frame predictor."""
    batch: int = 48
    """Samples per step of the others."""
    learning_rate: float = 1e-3
    """Peak learning rate of every training."""
    timing: TimingSpec = field(default_factory=lambda: timing_of(10.0, 0.4))
    """Rate at which the policy looks, the oldest latent the head must cope with, and how long a new
    one takes to take over."""
    chunk: int = 8
    """Actions per chunk, control steps."""
    gap_s: tuple[float, ...] = (0.2, 0.3, 0.4)
    """lapa: times between the two frames of a pair, seconds. The middle one labels; it is also what
    lies between the frames of the inverse dynamics, and ahead of the predicted frame."""
    n: int = 4
    """lapa: codes per latent action."""
    k: int = 8
    """lapa: codebook size."""
    joint_actions: bool = True
    """lapa: whether stage 1 sees the actions of the demos too, by its joint head."""
    trunk_rate: float = 0.0
    """Learning rate of a pretrained trunk on the demos, as a share of the head's; 0 freezes it. One
    rule for lapa, vpt and actionvla: with a handful of demos a trunk has only to lose."""
    trunk_rates: dict[str, float] = field(default_factory=dict)
    """The same by method, where one is to differ."""
    head_inputs: tuple[HeadPart, ...] = HEAD_PARTS
    """What the action head is told."""
    decoding: Decoding = "direct"
    """How the head's numbers become a chunk; unipi's is always direct."""
    look_state: bool = False
    """Whether the head is told the state at the look too; unipi's never is."""
    common: LoopConfig = field(default_factory=LoopConfig)
    """What else the training loops share; steps, batch, rate and seed are those above."""

    def __post_init__(self) -> None:
        for name in ("latent_steps", "pretrain_steps", "action_steps", "latent_batch", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"expected at least 1, got {getattr(self, name)}")
        for name in self.trunk_rates:
            if name not in FINE_TUNED:
                expected = ", ".join(FINE_TUNED)
                raise ConfigError("trunk_rates", f"expected one of {expected}, got {name}")
        for rate in (self.trunk_rate, *self.trunk_rates.values()):
            if not 0 <= rate < math.inf:
                raise ConfigError("trunk_rate", f"expected 0 or more, got {rate}")
        if not self.gap_s or min(self.gap_s) <= 0:
            raise ConfigError("gap_s", f"expected seconds above 0, got {self.gap_s}")

    @property
    def networks(self) -> Preset:
        """The networks of the preset."""
        preset = PRESETS[self.preset]
        policy = self.policy or replace(preset.policy, text=self.text)
        return replace(preset, policy=policy)

    @property
    def label_gap_s(self) -> float:
        """The middle gap, seconds."""
        return sorted(self.gap_s)[len(self.gap_s) // 2]

    def loop(self, steps: int, batch: int) -> LoopConfig:
        """The training loop of one of a method's runs."""
        return replace(
            self.common, steps=steps, batch=batch, learning_rate=self.learning_rate, seed=self.seed
        )
