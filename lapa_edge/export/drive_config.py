"""What a closed-loop verification drives; apart from `export.closed_loop`, which needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DriveConfig:
    """What is driven; cheap unless more is asked for."""

    environment: str = "metaworld"
    """Which simulator."""
    tasks: tuple[str, ...] = ()
    """Which of its tasks; its first, unless given: name one that the policy was trained on."""
    episodes: int = 5
    """Rollouts per task, with PyTorch and with each of the bundle's policy graphs."""
    seed: int = 1_000_000
    """Seed of each task's first rollout; the same for every side."""
    latency_s: float = 0.05
    """Time from a frame to its latent, seconds."""
    simulator: Path | None = None
    """Its checkout, where it is no installed package."""
    processes: int = 2
    """Rollouts at a time."""
