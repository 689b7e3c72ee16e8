"""``lapa-demo``: the whole way on simulated arms, from video to a moving robot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError


@dataclass(frozen=True)
class DemoFlags:
    """Record, train, label, export, drive and report, in about ten minutes on two CPU cores.

    A demo that was stopped goes on where it was when the same command runs again.
    """

    out: Path = Path("lapa-demo")
    """Where everything goes."""
    seed: int = 0
    """Seed of recordings, weights, batches and rollouts."""
    quick: bool = False
    """A smoke test of about a minute; its numbers mean nothing."""
    processes: int = 2
    """Simulators at a time."""


def main() -> int:
    """Entry point of ``lapa-demo``."""
    return run_command(demo, DemoFlags, "lapa-demo", DemoFlags.__doc__ or "")


def demo(flags: DemoFlags) -> None:
    """Run the demo in ``flags.out``."""
    from lapa_edge.demo.plan import FULL, QUICK
    from lapa_edge.demo.preflight import check_out, check_rendering

    if flags.seed < 0 or flags.processes < 1:
        raise ConfigError(
            "--seed and --processes",
            f"expected 0 or more and 1 or more, got {flags.seed} and {flags.processes}",
        )
    check_rendering()
    check_out(flags.out, flags.seed, flags.quick)
    from lapa_edge.demo.pipeline import Demo

    plan = QUICK if flags.quick else FULL
    Demo(flags.out, plan, flags.seed, flags.quick, flags.processes).run()
