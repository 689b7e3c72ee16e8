"""The flags of every stage of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from lapa_edge.cli.dataset_flags import DatasetFlags

if TYPE_CHECKING:
    from lapa_edge.data.episode import Dataset
    from lapa_edge.data.frame_store import FrameStore
    from lapa_edge.spec import FrameSpec
    from lapa_edge.train.loop import LoopConfig


@dataclass(frozen=True)
class StageFlags(DatasetFlags):
    """What every stage is told."""

    out: Path = tyro.MISSING
    """Run directory; a run that was stopped goes on from its last checkpoint."""
    preset: Literal["debug", "tiny", "small"] = "tiny"
    """Size of the networks: tiny for two CPU cores, small for a GPU, debug for a smoke test."""
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

        return open_frames(dataset, frame, self.cache, self.max_damaged)
