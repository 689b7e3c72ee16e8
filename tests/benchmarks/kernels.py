"""Measure every kernel against its alternatives and against this machine's floors.

    python tests/benchmarks/kernels.py --json kernels.json
    python tests/benchmarks/table.py kernels.json

Needs ``pip install lapa-edge[bench]`` and a C++ compiler. docs/kernels.md explains what is
measured and how.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flags import STOPPED, check_json, check_positive, check_whole

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError

DESCRIPTION = """Measure the kernels against their alternatives and against this machine's floors.

One process, one thread, interleaved rounds; every candidate's result is compared before anything
is timed. Prints the tables; a missed target is shown as such and is no error. One to
three minutes."""

# Read by the libraries when they are loaded.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}

Group = Literal["head", "code", "frame"]


@dataclass(frozen=True)
class BenchFlags:
    """Flags of kernels.py."""

    only: tuple[Group, ...] = ("head", "code", "frame")
    """What to measure: action head, codebook, camera frame."""
    rounds: int = 300
    """Measured rounds; every candidate runs one block in each."""
    block_us: float = 500.0
    """How long a block takes, microseconds; a slower call is a block of its own."""
    quick: bool = False
    """A smoke run of 15 s: 10 rounds, blocks of 100 us."""
    instruction_set: Literal["avx2", "avx512", "neon", "neon_dotprod"] | None = None
    """Vectors of our kernels and of the floors; by default the fastest that this CPU has."""
    compile: bool = False
    """Also torch.compile, which takes a minute to begin."""
    seed: int = 0
    """Seed of weights, inputs and the order in a round."""
    json: Path | None = None
    """Also write everything to this file; nothing is written by default."""


def main() -> int:
    """Entry point."""
    os.environ.update(ONE_THREAD)
    return run_command(benchmark, BenchFlags, "kernels.py", DESCRIPTION, stopped=STOPPED)


def benchmark(flags: BenchFlags) -> None:
    """Measure, print the tables, and write the JSON file where one is asked for."""
    check_flags(flags)
    from bench.progress import show_progress
    from bench.report import write_report
    from bench.suite import Settings, run_suite
    from bench.tables import draw_report

    from lapa_edge import _native

    if flags.instruction_set:
        _native.choose_instruction_set(flags.instruction_set)
    settings = Settings(
        groups=flags.only,
        rounds=10 if flags.quick else flags.rounds,
        block_us=100.0 if flags.quick else flags.block_us,
        compiled=flags.compile,
        seed=flags.seed,
    )
    with show_progress(settings.rounds) as (on_step, on_round):
        report = run_suite(settings, on_step, on_round)
    print(draw_report(report))
    if flags.json:
        write_report(report, flags.json)


def check_flags(flags: BenchFlags) -> None:
    """Raise `ConfigError` for what cannot be measured."""
    from lapa_edge import _native

    if not flags.only:
        raise ConfigError("--only", "expected at least one of head, code and frame, got none")
    check_whole("--rounds", flags.rounds, 1)
    check_positive("--block-us", flags.block_us)
    check_whole("--seed", flags.seed, 0)
    sets = _native.instruction_sets()
    if flags.instruction_set and flags.instruction_set not in sets:
        raise ConfigError(
            "--instruction-set",
            f"expected one that this CPU runs ({', '.join(sets)}), got {flags.instruction_set}",
        )
    check_json(flags.json)


if __name__ == "__main__":
    raise SystemExit(main())
