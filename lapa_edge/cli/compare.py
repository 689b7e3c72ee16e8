"""``lapa-train compare CONFIG``: every method on the same data, with seeds, tables and plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Compare:
    """Train methods side by side on the same data, drive them on the same scenes, and tabulate.

    Writes OUT/report with compare.md, compare.json and compare.png. Goes on where it was stopped;
    methods and seeds that are added to a finished comparison are all that runs.
    """

    config: Annotated[Path, tyro.conf.Positional]
    """A TOML file: what to learn from, which methods, how long, how to judge; see docs/results/."""
    out: Path = tyro.MISSING
    """Where everything goes."""
    only: tuple[str, ...] = ()
    """Rows of the table to work on now; all, unless given."""
    seeds: int | None = None
    """Trainings per method, in place of the file's."""
    processes: int = 2
    """Trainings, or simulators, at a time; one core each."""


def compare(flags: Compare) -> None:
    """Run the comparison and show its page."""
    import msgspec
    from rich.console import Console

    from lapa_edge.compare.config import read_config
    from lapa_edge.compare.pipeline import compare as run_comparison
    from lapa_edge.errors import ConfigError

    for name, value in (("--seeds", flags.seeds), ("--processes", flags.processes)):
        if value is not None and not 1 <= value <= 100:
            raise ConfigError(name, f"expected 1 to 100, got {value}")
    config = read_config(flags.config)
    if flags.seeds is not None:
        config = msgspec.structs.replace(config, seeds=flags.seeds)
    report = run_comparison(config, flags.out, flags.processes, flags.only)
    console = Console()
    console.print((report / "compare.md").read_text(), markup=False, soft_wrap=True)
    console.print(f"report: {report}")
