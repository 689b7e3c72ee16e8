"""Measure how many threads a policy is worth beside a control loop: what `default_threads` assumes.

    python tests/benchmarks/threads.py BUNDLE --json threads.json

For each of the bundle's policy graphs and each number of threads, the policy looks again and again
while the native control loop runs at its rate in the same process. The cases take turns.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec
import numpy as np
import tyro
from flags import STOPPED, check_json, check_positive, check_whole

from lapa_edge.artifact import load_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.errors import BundleError
from lapa_edge.progress import progress_bar
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph, default_threads
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.policy import Policy
from lapa_edge.runtime.profile import describe_machine

DESCRIPTION = """Measure a policy with 1 thread, 2, and so on, beside a running control loop.

A look's time, and how late the loop's ticks begin. The row that --threads 0 chooses is marked."""
CAMERA = (480, 640)


@dataclass(frozen=True)
class ThreadFlags:
    """Flags of threads.py."""

    bundle: Annotated[Path, tyro.conf.Positional]
    """A bundle, as lapa-export writes it."""
    seconds: float = 1.0
    """How long a case's turn is."""
    turns: int = 10
    """Turns of each case."""
    rate_hz: float = 200.0
    """Of the control loop, 50 to 1000."""
    json: Path | None = None
    """Also write everything to this file."""


@dataclass
class Case:
    """One graph with so many threads, and what it took in all its turns."""

    graph: str
    threads: int
    policy: Policy
    looks_ms: list[float] = field(default_factory=list)
    late_us: list[float] = field(default_factory=list)  # p99 of each turn
    ticks: int = 0
    late: int = 0

    def row(self) -> dict[str, object]:
        """The case in numbers: percentiles of looks, median over turns of the ticks' p99."""
        p50, p99 = np.percentile(self.looks_ms, (50, 99), method="higher")
        return {
            "graph": self.graph, "threads": self.threads, "looks": len(self.looks_ms),
            "p50_ms": float(p50), "p99_ms": float(p99), "ticks": self.ticks,
            "late_percent": 100 * self.late / max(self.ticks, 1),
            "late_p99_us": float(np.median(self.late_us)),
        }  # fmt: skip


def main() -> int:
    """Entry point."""
    return run_command(benchmark, ThreadFlags, "threads.py", DESCRIPTION, stopped=STOPPED)


def benchmark(flags: ThreadFlags) -> None:
    """Measure, print the table, and write the JSON file where one is asked for."""
    check_positive("--seconds", flags.seconds)
    check_whole("--turns", flags.turns, 1)
    check_json(flags.json)
    machine = describe_machine()  # before this is a load itself
    cases = open_cases(flags)
    with progress_bar() as bar:
        bar.live.auto_refresh = False  # its thread would be one more load
        task = bar.add_task("threads", total=flags.turns * len(cases))
        for _, case in product(range(flags.turns), cases):
            measure(case, flags)
            bar.update(task, advance=1, refresh=True)
    rows = [case.row() for case in cases]
    chosen = default_threads()
    print(f"{machine.cpu}, {machine.cores} cores, load {machine.load:.1f}\n")
    print("| graph | threads | a look, ms: p50 | p99 | late ticks, % | their p99, us |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows:
        mark = " (0)" if row["threads"] == chosen else ""
        look = f"{row['p50_ms']:.2f} | {row['p99_ms']:.2f}"
        late = f"{row['late_percent']:.2f} | {row['late_p99_us']:.0f}"
        print(f"| {row['graph']} | {row['threads']}{mark} | {look} | {late} |")
    if flags.json:
        told = {"machine": msgspec.to_builtins(machine), "rate_hz": flags.rate_hz, "rows": rows}
        flags.json.write_text(json.dumps(told, indent=1) + "\n")


def open_cases(flags: ThreadFlags) -> list[Case]:
    """Each graph that ONNX Runtime runs here, with each number of threads up to all cores."""
    bundle = load_bundle(flags.bundle)
    names = [x for x in sorted(bundle.manifest.files) if PurePosixPath(x).match("policy*.onnx")]
    cases = []
    for name, threads in product(names, range(1, len(os.sched_getaffinity(0)) + 1)):
        try:
            graph = OnnxGraph(bundle.path(name), threads)
        except BundleError as error:
            print(f"{name}: {error.args[1]}", file=sys.stderr)
            continue
        cases.append(Case(name, threads, Policy(bundle, "go", graph=graph)))
    return cases


def measure(case: Case, flags: ThreadFlags) -> None:
    """One turn."""
    bundle, policy = load_bundle(flags.bundle), case.policy
    spec = bundle.spec
    frame = np.random.default_rng(0).integers(0, 256, (*CAMERA, 3), np.uint8)
    views = [frame for _ in spec.cameras]
    state = np.array(spec.state.mean, np.float32)
    with ControlLoop(bundle, LoopOptions(rate_hz=flags.rate_hz)) as loop:
        end_s = time.monotonic() + flags.seconds
        while (seen_at_s := time.monotonic()) < end_s:
            latent = policy.look(views, seen_at_s, state)
            case.looks_ms.append(1e3 * (time.monotonic() - seen_at_s))
            loop.set_latent(latent)
            loop.set_observation(state, seen_at_s)
        stats = loop.stats()
    case.ticks += stats.ticks
    case.late += stats.late
    case.late_us.append(1e6 * stats.lateness.p99_s)


if __name__ == "__main__":
    raise SystemExit(main())
