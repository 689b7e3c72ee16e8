"""A profile as rows of words: the same for the console and for the page."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lapa_edge.runtime.profile.latency import Latency
from lapa_edge.runtime.profile.pacing import Pace
from lapa_edge.runtime.profile.profiling import Profile
from lapa_edge.runtime.profile.roofline import Roofline

LABELS = {
    "decode": "decode",
    "preprocess": "preprocess",
    "host_to_device": "host to device",
    "enqueue": "enqueue",
    "gpu": "GPU",
    "device_to_host": "device to host",
    "cpu": "policy on the CPU",
    "codes": "codes",
    "head": "head",
    "safety": "safety",
    "total": "total",
    "head_native": "head, native f32",
    "head_bf16": "head, native bf16",
    "head_int8": "head, native int8",
    "head_onnx": "head, ONNX Runtime",
    "text_encoder": "text encoder",
}


@dataclass(frozen=True)
class Rows:
    """One table: its title, its columns, and rows of as many words."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(profile: Profile) -> list[Rows]:
    """All tables of a profile; those that were not measured are left out."""
    found = [_latency(profile)]
    if profile.whole:
        found.append(_deadlines(profile))
    if profile.layers:
        found.append(_layers(profile))
    found.append(_clocks(profile))
    return found


def sentences(profile: Profile) -> list[str]:
    """What is said beside the tables, a sentence each."""
    start, memory, machine = profile.start, profile.memory, profile.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    said = [
        f"{machine.cpu}, {machine.cores} cores, load {machine.load:.1f}, {machine.system}; "
        f"{versions}",
        f"{profile.runs_on}, {profile.threads} threads; policy {profile.policy_sha256[:12]}, made "
        f"for {profile.policy_hz:g} Hz, its head for {profile.control_hz:g} Hz",
        f"cold start: {start.verify_ms:.1f} ms to verify the bundle, {start.open_ms:.1f} ms to "
        f"open it, {start.first_ms:.2f} ms for the first frame",
        f"memory: {memory.before_mib:.0f} MiB before, {memory.opened_mib:.0f} MiB with the bundle, "
        f"{memory.peak_mib:.0f} MiB at most; of the GPU's "
        + ("not measured" if memory.gpu_mib is None else f"{memory.gpu_mib:.0f} MiB"),
    ]
    if noise := profile.noise:
        said.append(
            f"noise floor: the policy beside itself differs by up to {noise.percent:.1f} % "
            f"(block ratios {noise.low:.3f} to {noise.high:.3f}); a smaller difference is none"
        )
    if roof := profile.roofline:
        computing = "an unknown time to compute"
        if roof.compute_ms is not None:
            computing = f"{roof.compute_ms:.3f} ms to compute"
        said.append(
            f"roofline of {roof.ceiling.name} ({roof.ceiling.source}): {roof.weights_mb:.1f} MB "
            f"take {roof.memory_ms:.3f} ms to read, {roof.gflop or 0:.2f} GFLOP {computing}; "
            f"{_distance(roof)}"
        )
    return said + [f"warning: {line}" for line in profile.warnings]


def _distance(roof: Roofline) -> str:
    if roof.distance is not None:
        return f"measured are {roof.distance:.1f} times the longest of these"
    reason = "this is another machine than the board, or its recipe is wrong"
    if roof.ceiling.measured:
        reason = "other work slowed the machine down meanwhile; measure again on an idle one"
    return (
        f"measured are {roof.measured_ms:.3f} ms, less than the longest of these: the ceiling is "
        f"too low, and no distance is known ({reason})"
    )


def _latency(profile: Profile) -> Rows:
    rows = []
    for name, label in LABELS.items():
        if name in profile.latency:
            rows.append((label, *_times(profile.latency[name])))
        elif name in profile.absent:
            rows.append((label, *("-",) * 5, profile.absent[name]))
    title = f"{profile.bundle}: {profile.plan.repeats} rounds back to back, milliseconds"
    return Rows(title, ("part", "p50", "p95", "p99", "p99.9", "max", ""), rows)


def _times(row: Latency) -> tuple[str, ...]:
    times = (row.p50_ms, row.p95_ms, row.p99_ms, row.p99_9_ms, row.max_ms)
    return (*(f"{x:.4f}" for x in times), "")


def _deadlines(profile: Profile) -> Rows:
    rows = [
        (what, *_pace(pace))
        for what, paces in (("frame to command", profile.whole), ("control tick", profile.tick))
        for pace in paces
    ]
    title = f"deadlines, paced for {profile.plan.paced_s:g} s each; response in milliseconds"
    return Rows(title, ("", "rate", "missed", "p50", "p99", "max", "released"), rows)


def _pace(pace: Pace) -> tuple[str, ...]:
    times = (f"{x:.3f}" for x in (pace.response.p50_ms, pace.response.p99_ms, pace.response.max_ms))
    return (f"{pace.rate_hz:g} Hz", f"{pace.missed:.2%}", *times, str(pace.released))


def _layers(profile: Profile) -> Rows:
    rows: list[tuple[str, ...]] = [
        (layer.name, layer.kind, f"{layer.p50_ms:.4f}", f"{layer.gflop:.4f}" if layer.gflop else "")
        for layer in profile.layers
    ]
    title = f"the {len(rows)} slowest layers of the policy, under the backend's own profiler"
    return Rows(title, ("layer", "kind", "p50, ms", "GFLOP"), rows)


def _clocks(profile: Profile) -> Rows:
    before, after = msgspec.to_builtins(profile.before), msgspec.to_builtins(profile.after)
    rows: list[tuple[str, ...]] = [
        (name, _told(before[name]), _told(after[name])) for name in before
    ]
    return Rows("clocks and power", ("", "before", "after"), rows)


def _told(value: object) -> str:
    if value is None:
        return "this machine does not tell"
    return f"{value:.0f}" if isinstance(value, float) else str(value)
