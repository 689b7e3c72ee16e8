"""Drive the node for long through random faults, and watch from outside that it stops when due.

    python tests/ros/soak.py --minutes 30

Exits with status 1 where a command moved the robot while a stop was due, where it stood still while
all was well, where a command was not finite or out of bounds, where the node fell silent or ended,
or where its memory grew.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import environment
import numpy as np
from memory import Memory

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError, LapaError
from lapa_edge.progress import progress_bar

DESCRIPTION = """Drive the policy node over real DDS through random faults for a long time.

Image drops, bursts and wrong encodings, clock jumps in stamps, states that mean nothing, e-stops
that flap, stops, floods of instructions, any of them at once. Ends with a table of counts."""
TIMEOUT_S = 0.2  # of images and states
SILENCE_S = 0.5  # without any command is too long at 100 Hz
# Of the commands while all is well. A busy machine that freezes the control loop for more than
# three periods is a reason to stand still, which the watcher cannot see.
MAX_IDLE = 0.02
LOG_LINES = 30  # of the node's last words, where something is wrong


@dataclass(frozen=True)
class SoakFlags:
    """Flags of soak.py."""

    minutes: float = 30.0
    """How long to drive, minutes."""
    seed: int = 0
    """Of everything that is random; the faults are the same again but for the timing."""
    json: Path | None = None
    """Also write the report to this file."""


def main() -> int:
    """Entry point."""
    environment.find_modules()
    return run_command(soak, SoakFlags, "soak.py", DESCRIPTION, stopped="stopped; nothing judged")


def soak(flags: SoakFlags) -> None:
    """Drive, print the counts, and fail where they say so."""
    if not 0 < flags.minutes < float("inf"):
        raise ConfigError("--minutes", f"expected a finite number above 0, got {flags.minutes}")
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "rclpy", str(error), "pip install ros-jazzy-rclpy ros-jazzy-common-interfaces "
            "ros-jazzy-rmw-fastrtps-cpp"
        ) from error  # fmt: skip
    report = drive(flags)
    if flags.json:
        flags.json.write_text(json.dumps(report, indent=2) + "\n")
    draw(report)
    if report["findings"]:
        raise LapaError("soak", "; ".join(report["findings"]))


def drive(flags: SoakFlags) -> dict[str, object]:
    """Run a node through `flags.minutes` of faults; the report."""
    from rigs import Rigs
    from robot_bundles import write_joint_bundle
    from soak_faults import Camera, Joints, Operator
    from watcher import Sent

    sent, logs, kinds = Sent(), [], (Camera, Joints, Operator)
    with (
        tempfile.TemporaryDirectory() as folder,
        Rigs(environment.enter_domain(), logs.append) as rigs,
    ):
        bundle = write_joint_bundle(Path(folder) / "robot")
        rig = rigs.start(
            model_path=bundle.root, instruction="push left", autostart=True, start_enabled=True,
            image_timeout=TIMEOUT_S, state_timeout=TIMEOUT_S,
        )  # fmt: skip
        rig.robot.wait_for_command(moving=False)
        memory = Memory(rig.node.pid)
        rngs = np.random.default_rng(flags.seed).spawn(len(kinds))
        moody = [kind(rig.robot, sent, rng) for kind, rng in zip(kinds, rngs, strict=True)]
        for one in moody:
            one.start()
        wait(flags.minutes * 60, rig, moody, memory)
        for one in moody:
            one.end()
        time.sleep(1.0)  # the last commands: nothing is fed any more
        heard = list(rig.robot.commands)
        status = end(rig.node)
    problems = [f"{type(one).__name__} failed: {one.failure}" for one in moody if one.failure]
    problems += [status] if status else []
    report = judge_all(bundle.spec.action, sent, heard, memory, problems)
    if report["findings"]:
        print("".join(logs[0].splitlines(keepends=True)[-LOG_LINES:]), file=sys.stderr)
    moods = {type(one).__name__.lower(): dict(one.counts) for one in moody}
    return {"minutes": flags.minutes, "seed": flags.seed, "moods": moods, **report}


def end(node):
    """End the node; what is wrong with how it ended, in words."""
    if not node.running():
        return f"the node ended by itself, status {node.wait()}"
    status, _ = node.interrupt()
    return status and f"the node ended with status {status}"


def judge_all(spec, sent, heard, memory, problems):
    """The part of the report that says what was sent and heard, and what is wrong with it."""
    from watcher import judge

    arrived_s = [command.arrived_s for command in heard]
    actions = np.array([command.action for command in heard])
    verdict = judge(sent, arrived_s, actions.any(axis=1), TIMEOUT_S, TIMEOUT_S)
    # A comparison with NaN is false.
    bounded = bool(((actions >= spec.low) & (actions <= spec.high)).all())
    return {
        "good_images": len(sent.images),
        "good_states": len(sent.states),
        "orders": {name: len(spans) for name, spans in sent.orders.items()},
        "verdict": asdict(verdict),
        "memory": memory.summary(),
        "findings": find(verdict, memory, bounded=bounded) + problems,
    }


def wait(seconds, rig, moody, memory):
    """Sample memory and show progress until the time is over or something failed."""
    began_s = time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task("soak", total=round(seconds))
        while (passed_s := time.monotonic() - began_s) < seconds:
            if not rig.node.running() or any(one.failure for one in moody):
                return
            memory.sample(passed_s)
            bar.update(task, completed=round(passed_s))
            time.sleep(min(1.0, seconds - passed_s))


def find(verdict, memory, *, bounded):
    """What is wrong, in words; nothing where the node may be trusted."""
    findings = [
        f"{count} commands moved the robot while a stop was due ({name})"
        for name, count in verdict.missed.items()
        if count
    ]
    if not verdict.well:
        findings.append("all was never well: nothing shows that the node ever had to move")
    if verdict.idle > MAX_IDLE * verdict.well:
        findings.append(f"{verdict.idle} of {verdict.well} commands stood still while all was well")
    if not bounded:
        findings.append("a command was not finite or out of bounds")
    if verdict.longest_gap_s > SILENCE_S:
        findings.append(f"no command for {verdict.longest_gap_s:.3f} s")
    return findings + memory.findings()


def draw(report):
    """The counts, as a Markdown table, on stdout."""
    rows = {
        "minutes": report["minutes"],
        "good images, states": f"{report['good_images']}, {report['good_states']}",
        **{f"moods of the {who}": _listed(moods) for who, moods in report["moods"].items()},
        "orders to stop": _listed(report["orders"]),
        **{name.replace("_", " "): _listed(x) for name, x in report["verdict"].items()},
        "memory of the node": report["memory"],
        "findings": "; ".join(report["findings"]) or "none",
    }
    print("| soak | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def _listed(counts):
    if not isinstance(counts, dict):
        return f"{counts:.3f}" if isinstance(counts, float) else counts
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    raise SystemExit(main())
