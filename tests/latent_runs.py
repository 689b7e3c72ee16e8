"""Stage-1 runs for tests that are not about training them."""

from __future__ import annotations

from pathlib import Path

import torch

from lapa_edge.train.latents import LatentsConfig, build_latent_model
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory

LATENTS = LatentsConfig(model=PRESETS["debug"].latents)


def untrained_run(root: Path, config: LatentsConfig = LATENTS, seed: int = 0) -> RunDirectory:
    """A finished run that nothing was learned in."""
    run = RunDirectory(root)
    run.open(config)
    torch.manual_seed(seed)
    run.finish(build_latent_model(config))
    return run
