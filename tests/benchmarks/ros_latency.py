"""Measure over DDS how long a frame takes to become a command, and how evenly commands come.

    python tests/benchmarks/ros_latency.py --seconds 10 --json ros_latency.json

Needs rclpy. Times are of this machine at this hour: whatever else runs on it is in them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # bundles.py
sys.path.insert(0, str(Path(__file__).parents[1] / "ros"))
import environment
import msgspec
from flags import STOPPED, check_json, check_positive

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError
from lapa_edge.progress import progress_bar
from lapa_edge.runtime.profile import describe_machine

DESCRIPTION = """Measure the ROS 2 node from frame to command, and the jitter of its commands.

Beside it, in the same run, a node that runs the policy in the image's callback. Each case takes
--seconds and a few more to start."""
DESIGNS = ("node", "callback")


@dataclass(frozen=True)
class LatencyFlags:
    """Flags of ros_latency.py."""

    seconds: float = 10.0
    """How long to listen in each case."""
    policy_ms: tuple[float, ...] = (0.0, 20.0, 60.0)
    """How much longer than a tiny network the policy takes, milliseconds, at the first rate."""
    rates: tuple[float, ...] = (100.0, 200.0, 500.0)
    """Control rates, Hz, 50 to 1000, with the last policy."""
    json: Path | None = None
    """Also write everything to this file; nothing is written by default."""


def main() -> int:
    """Entry point."""
    environment.find_modules()
    return run_command(benchmark, LatencyFlags, "ros_latency.py", DESCRIPTION, stopped=STOPPED)


def benchmark(flags: LatencyFlags) -> None:
    """Measure, print the tables, and write the JSON file where one is asked for."""
    check_flags(flags)
    from latency.case import measure
    from latency.greys import read_answers, write_grey_bundle
    from rigs import Rigs

    cases = [(policy_ms, flags.rates[0]) for policy_ms in flags.policy_ms]
    cases += [(flags.policy_ms[-1], rate_hz) for rate_hz in flags.rates[1:]]
    rows = []
    variables = environment.enter_domain()
    with tempfile.TemporaryDirectory() as folder, progress_bar() as bar:
        bar.live.auto_refresh = False  # its thread would be one more load
        task = bar.add_task("frame to command", total=len(cases) * len(DESIGNS))
        bundle = write_grey_bundle(Path(folder) / "greys")
        answers = read_answers(bundle)
        for policy_ms, rate_hz in cases:
            for design in DESIGNS:
                with Rigs(variables) as rigs:
                    rows.append(
                        measure(rigs, bundle, answers, design, policy_ms, rate_hz, flags.seconds)
                    )
                bar.update(task, advance=1, refresh=True)
    machine = msgspec.to_builtins(describe_machine())
    draw_table(machine, rows)
    if flags.json:
        report = {"machine": machine, "seconds": flags.seconds, "cases": [asdict(r) for r in rows]}
        flags.json.write_text(json.dumps(report, indent=2) + "\n")


def check_flags(flags: LatencyFlags) -> None:
    """Raise `ConfigError` for what cannot be measured."""
    check_positive("--seconds", flags.seconds)
    if not flags.policy_ms or not flags.rates:
        raise ConfigError("--policy-ms, --rates", "expected at least one of each")
    for policy_ms in flags.policy_ms:
        if not 0 <= policy_ms <= 1000:
            raise ConfigError("--policy-ms", f"expected 0 to 1000 ms, got {policy_ms}")
    for rate_hz in flags.rates:
        if not 50 <= rate_hz <= 1000:
            raise ConfigError("--rates", f"expected 50 to 1000 Hz, got {rate_hz}")
    check_json(flags.json)
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        wheels = "ros-jazzy-rclpy ros-jazzy-common-interfaces ros-jazzy-rmw-fastrtps-cpp"
        raise ConfigError("rclpy", str(error), f"pip install {wheels}") from error


def draw_table(machine, rows):
    """One line per case and design, then how much worse the callback is, on stdout."""
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:.1f}\n")
    print("| policy, ms | control, Hz | inference | frame to command p50, ms | p99 "
          "| of it one hop | commands, Hz | jitter p50, ms | p99 |")  # fmt: skip
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    where = {"node": "own thread (node)", "callback": "in the callback"}
    for row in rows:
        print(
            f"| {row.policy_ms:.0f} | {row.control_hz:.0f} | {where[row.design]} "
            f"| {row.frame_p50_ms:.1f} | {row.frame_p99_ms:.1f} | {row.hop_p50_ms:.2f} "
            f"| {row.rate_hz:.1f} | {row.jitter_p50_ms:.2f} | {row.jitter_p99_ms:.2f} |"
        )
    print("\n| policy, ms | control, Hz | callback / node: frame p50 | frame p99 | jitter p99 |")
    print("|---:|---:|---:|---:|---:|")
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        ratios = [
            getattr(theirs, name) / getattr(ours, name)
            for name in ("frame_p50_ms", "frame_p99_ms", "jitter_p99_ms")
        ]
        shown = " | ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"| {ours.policy_ms:.0f} | {ours.control_hz:.0f} | {shown} |")


if __name__ == "__main__":
    raise SystemExit(main())
