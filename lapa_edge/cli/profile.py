"""``lapa-profile``: how long does each part of a bundle take on this machine?"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from lapa_edge.cli.command import run_command

if TYPE_CHECKING:
    from lapa_edge.artifact import Bundle
    from lapa_edge.runtime.profile import Latency, Machine

logger = logging.getLogger(__name__)

DESCRIPTION = """Measure how long each part of a bundle takes on this machine.

Warm-up first, then rounds in which every part runs once, timed with the monotonic clock."""

LABELS = {
    "preprocess": "preprocess",
    "policy": "policy graph",
    "look": "look, the two together",
    "text_encoder": "text encoder",
    "head_native": "action head, native",
    "head_onnx": "action head, ONNX",
    "act": "act, a control tick",
}


@dataclass(frozen=True)
class ProfileFlags:
    """Flags of lapa-profile."""

    bundle: Annotated[Path, tyro.conf.Positional]
    """A bundle, as lapa-export writes it."""
    repeats: int = 500
    """Measured rounds; every part runs once in each."""
    warm_up: int = 50
    """Rounds before them that are not counted."""
    paced: bool = False
    """One round per control period, as on the robot, instead of back to back."""
    camera: tuple[int, int] = (480, 640)
    """Rows and columns of the camera frame, pixels."""
    threads: int = 1
    """ONNX Runtime threads for the policy."""
    seed: int = 0
    """Seed of the random frame."""
    json: Path | None = None
    """Also write everything to this file; nothing is written by default."""


def main() -> int:
    """Entry point."""
    return run_command(profile, ProfileFlags, "lapa-profile", DESCRIPTION)


def profile(flags: ProfileFlags) -> None:
    """Measure, print the table, and write the JSON file where one is asked for."""
    import msgspec
    from rich.console import Console

    from lapa_edge.artifact import load_bundle
    from lapa_edge.runtime.profile import describe_machine, measure_latency

    bundle = load_bundle(flags.bundle)
    machine = describe_machine()
    # No progress bar: redrawing it would take the interpreter from the calls being timed.
    logger.info("measuring %d rounds after %d of warm-up", flags.repeats, flags.warm_up)
    latency = measure_latency(
        bundle,
        flags.repeats,
        warm_up=flags.warm_up,
        paced=flags.paced,
        camera_size=flags.camera,
        threads=flags.threads,
        seed=flags.seed,
    )
    print_latency(Console(), bundle, machine, latency, paced=flags.paced)
    if flags.json:
        settings = {"camera": flags.camera, "threads": flags.threads, "paced": flags.paced}
        record = {"machine": machine, "latency": latency, "warm_up": flags.warm_up, **settings}
        flags.json.write_bytes(msgspec.json.format(msgspec.json.encode(record)))


def print_latency(
    console: object, bundle: Bundle, machine: Machine, latency: dict[str, Latency], *, paced: bool
) -> None:
    """The table on a rich console, the machine below it."""
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    spec = bundle.spec
    repeats = next(iter(latency.values())).repeats
    pace = f"at {spec.action.control_hz:g} Hz" if paced else "back to back"
    table = Table(title=f"{bundle.root.name}: {repeats} rounds {pace}, milliseconds")
    table.add_column("part")
    for column in ("p50", "p95", "p99", "max", "to native"):
        table.add_column(column, justify="right")
    native = latency["head_native"].p50_ms
    for name, label in LABELS.items():
        row = latency[name]
        times = (f"{x:.4f}" for x in (row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms))
        ratio = f"{row.p50_ms / native:.1f}x" if name.startswith("head") else ""
        table.add_row(label, *times, ratio)
    console.print(table)
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    console.print(
        f"{machine.cpu}, {machine.cores} cores, load {machine.load:.1f}, {machine.system}"
    )
    console.print(versions)
    budgets = {"look": spec.timing.policy_hz, "act": spec.action.control_hz}
    for name, hz in budgets.items():
        share = latency[name].p99_ms * hz / 1000
        console.print(f"{name}: p99 takes {share:.1%} of its period at {hz:g} Hz")
