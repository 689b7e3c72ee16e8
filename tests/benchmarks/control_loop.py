"""Measure whether the control loop keeps its deadlines, and how long its head takes when cold.

    python tests/benchmarks/control_loop.py --seconds 20 --json control_loop.json

Times are of this machine at this hour: whatever else runs on it is in them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # bundles.py

import msgspec
from flags import STOPPED, check_json, check_positive

from lapa_edge.artifact import Bundle
from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError
from lapa_edge.progress import progress_bar
from lapa_edge.runtime.profile import describe_machine

DESCRIPTION = """Measure the control loop: missed deadlines, and the head's time after a sleep.

Each of four loops (native, native with a real-time priority, a Python thread, asyncio) at each rate
under each load, then the head at 100 Hz against ONNX Runtime. About 50 times --seconds in all."""


@dataclass(frozen=True)
class LoopFlags:
    """Flags of control_loop.py."""

    seconds: float = 5.0
    """How long each loop runs."""
    rates: tuple[float, ...] = (100.0, 200.0, 500.0, 1000.0)
    """Control rates, Hz, 50 to 1000."""
    loads: tuple[str, ...] = ("idle", "cores", "gil")
    """What else happens: nothing; all other cores busy; a Python thread that hogs the GIL."""
    cold: bool = True
    """Also measure the head in a sleeping loop."""
    json: Path | None = None
    """Also write everything to this file; nothing is written by default."""


def main() -> int:
    """Entry point."""
    return run_command(benchmark, LoopFlags, "control_loop.py", DESCRIPTION, stopped=STOPPED)


def benchmark(flags: LoopFlags) -> None:
    """Measure, print the tables, and write the JSON file where one is asked for."""
    check_flags(flags)
    from loops.robot import build_robot

    with tempfile.TemporaryDirectory() as folder:
        bundle = build_robot(Path(folder) / "robot")
        report = {
            "machine": msgspec.to_builtins(describe_machine()),
            "seconds": flags.seconds,
            "deadlines": measure_deadlines(bundle, flags),
            "cold_head": measure_cold_heads(bundle, flags) if flags.cold else [],
        }
    draw_tables(report)
    if flags.json:
        flags.json.write_text(json.dumps(report, indent=2) + "\n")


def check_flags(flags: LoopFlags) -> None:
    """Raise `ConfigError` for what cannot be measured."""
    check_positive("--seconds", flags.seconds)
    for rate_hz in flags.rates:
        if not 50 <= rate_hz <= 1000:
            raise ConfigError("--rates", f"expected 50 to 1000 Hz, got {rate_hz}")
    if unknown := set(flags.loads) - {"idle", "cores", "gil"}:
        raise ConfigError("--loads", f"expected idle, cores or gil, got {', '.join(unknown)}")
    check_json(flags.json)


def measure_deadlines(bundle: Bundle, flags: LoopFlags) -> list[dict[str, object]]:
    """One row per load, rate and loop; a loop that the system refuses is left out, and said so."""
    from loops.deadlines import LOOPS
    from loops.loads import under

    rows: list[dict[str, object]] = []
    cases = list(product(flags.loads, flags.rates, LOOPS))
    with progress_bar() as bar:
        bar.live.auto_refresh = False  # its thread would be one more load
        task = bar.add_task("deadlines", total=len(cases))
        for load, rate_hz, loop in cases:
            try:
                with under(load):
                    times = LOOPS[loop](bundle, rate_hz, flags.seconds)
                rows.append({"load": load, "rate_hz": rate_hz, "loop": loop, **asdict(times)})
            except ConfigError as error:
                print(f"{loop}: {error}", file=sys.stderr)
            bar.update(task, advance=1, refresh=True)
    return rows


def measure_cold_heads(bundle: Bundle, flags: LoopFlags) -> list[dict[str, object]]:
    """One row per precision and runtime."""
    from loops.cold_head import measure_native, measure_onnx

    cases = [(measure_native, "native", name) for name in ("f32", "bf16", "int8")]
    cases += [(measure_onnx, "ONNX Runtime", name) for name in ("f32", "int8")]
    rows: list[dict[str, object]] = []
    with progress_bar() as bar:
        bar.live.auto_refresh = False
        task = bar.add_task("cold heads", total=len(cases))
        for measure, runtime, precision in cases:
            times = measure(bundle, precision, flags.seconds)
            rows.append({"runtime": runtime, "precision": precision, **asdict(times)})
            bar.update(task, advance=1, refresh=True)
    return rows


def draw_tables(report: dict[str, Any]) -> None:
    """Both tables, as Markdown, on stdout."""
    machine = report["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:.1f}\n")
    print("| load | rate, Hz | loop | missed, % | late p50, us | p99 | max |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for row in report["deadlines"]:
        late = " | ".join(f"{row[f'{name}_us']:.1f}" for name in ("p50", "p99", "max"))
        print(
            f"| {row['load']} | {row['rate_hz']:.0f} | {row['loop']} "
            f"| {row['missed_percent']:.2f} | {late} |"
        )
    if not report["cold_head"]:
        return
    print("\n| head | hot, us | after a sleep | the same, woken early | early / hot |")
    print("|---|---:|---:|---:|---:|")
    for row in report["cold_head"]:
        early = row["early_us"]
        more = f"{early:.2f} | {early / row['hot_us']:.2f}" if early else "- | -"
        print(
            f"| {row['runtime']} {row['precision']} | {row['hot_us']:.2f} "
            f"| {row['cold_us']:.2f} | {more} |"
        )


if __name__ == "__main__":
    raise SystemExit(main())
