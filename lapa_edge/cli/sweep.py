"""``lapa-train sweep``: stage 1 in many variants and seeds, compared on unseen clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from lapa_edge.cli.dataset_flags import DatasetFlags


@dataclass(frozen=True)
class Sweep(DatasetFlags):
    """Compare ways of stage 1: same data, same processor time, several seeds.

    Each training is judged by probes of the true motion on the val split, which its data must
    have, with actions. Writes sweep.md, sweep.png and sweep.json; goes on where it was stopped.
    """

    split: tyro.conf.Suppress[Literal["all"]] = "all"
    out: Path = tyro.MISSING
    """Where the runs and the comparison go."""
    variants: tuple[str, ...] = ("default", "published", "nsvq", "fsq", "inverse-dynamics")
    """Which; also joint-head, early-codes, one-gap, one-scale, plain-pixels, no-augmentation,
    augmented-apart."""
    features: str = ""
    """A stage-1 run or ONNX file: adds a variant that predicts its frozen features too."""
    grid_n: tuple[int, ...] = ()
    """In place of variants: the default with these sequence lengths n ..."""
    grid_k: tuple[int, ...] = (8,)
    """... and these codebook sizes k."""
    seeds: int = 3
    """Trainings per variant, with seeds 0, 1 and so on."""
    seconds: float = 180.0
    """Processor time per training, seconds of one core."""
    batch: int = 16
    """Samples per step."""
    preset: Literal["debug", "tiny", "small", "base"] = "tiny"
    """Size of the network."""
    gap_s: tuple[float, ...] = (0.3, 0.4, 0.5)
    """Times between the two frames of a pair, seconds; judged at the middle one."""
    pairs: int = 2000
    """Unseen frame pairs that each training is judged on."""
    processes: int = 2
    """Trainings at a time, one core each."""


def sweep(flags: Sweep) -> None:
    """Run the sweep and write the comparison."""
    from rich.console import Console

    from lapa_edge.errors import ConfigError
    from lapa_edge.train.sweep import SweepConfig
    from lapa_edge.train.sweep import sweep as run_sweep
    from lapa_edge.train.sweep_report import draw_grid, write_comparison
    from lapa_edge.train.variants import (
        default_variant,
        features_variant,
        grid_variants,
        named_variants,
    )

    for name in ("seeds", "batch", "pairs", "processes"):
        if getattr(flags, name) < 1:
            raise ConfigError(name, f"expected at least 1, got {getattr(flags, name)}")
    if flags.grid_n and (flags.features or flags.variants != Sweep.variants):
        raise ConfigError("grid_n", "comes in place of --variants and --features")
    if not flags.grid_n and flags.grid_k != Sweep.grid_k:
        raise ConfigError("grid_k", "expected --grid-n beside it")
    default = default_variant(flags.preset, flags.batch, flags.gap_s)
    if flags.grid_n:
        variants = grid_variants(default, flags.grid_n, flags.grid_k)
    else:
        variants = named_variants(flags.variants, default)
        if flags.features:
            variants += (features_variant(default, flags.features),)
    config = SweepConfig(
        data=flags.data,
        reading=flags.options(),
        out=flags.out,
        seeds=tuple(range(flags.seeds)),
        seconds=flags.seconds,
        pairs=flags.pairs,
        cache=flags.cache,
    )
    findings = run_sweep(config, variants, flags.processes)
    title = f"{flags.preset}, {flags.seconds:g} s of one core per training"
    write_comparison(flags.out, variants, findings, title)
    if flags.grid_n:
        draw_grid(flags.grid_n, flags.grid_k, findings, flags.out / "grid.png")
    Console().print((flags.out / "sweep.md").read_text(), markup=False)
