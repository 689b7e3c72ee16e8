"""A whole profile of one bundle: everything that ``lapa-profile`` says, in one record."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.runtime.backends.graph import Arrays, LayerTime, StagedGraph
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph, default_threads
from lapa_edge.runtime.profile.heads import build_heads
from lapa_edge.runtime.profile.latency import Latency, measure_rounds, summarise, time_parts
from lapa_edge.runtime.profile.machine import (
    Clocks,
    Machine,
    clock_warnings,
    describe_machine,
    read_clocks,
)
from lapa_edge.runtime.profile.noise import NoiseFloor, measure_noise
from lapa_edge.runtime.profile.pacing import Pace, measure_pace
from lapa_edge.runtime.profile.peaks import measure_ceiling
from lapa_edge.runtime.profile.pipeline import PARTS, Pipeline
from lapa_edge.runtime.profile.roofline import (
    Ceiling,
    Roofline,
    other_mode,
    place_under,
    precision_of,
)
from lapa_edge.runtime.profile.starting import (
    Memory,
    Start,
    gpu_used_mib,
    peak_mib,
    resident_mib,
    start_up,
)
from lapa_edge.runtime.profiling_plan import Choice, ProfilePlan

NOT_HERE = {
    "decode": "the camera gives RGB",
    "host_to_device": "the policy runs on the CPU",
    "enqueue": "the policy runs on the CPU",
    "gpu": "the policy runs on the CPU",
    "device_to_host": "the policy runs on the CPU",
    "cpu": "the policy runs on the GPU",
}

NO_CEILING = (
    "no roofline: a GPU's peaks are not measured here; --board gives those of its data sheet"
)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes:
        bundle: its name; policy_sha256: of the policy's ONNX graph.
        runs_on: the backend in words; threads: of ONNX Runtime.
        policy_hz, control_hz: the bundle's own rates.
        latency: by part, see `pipeline`, and each head; absent: why a part is not there.
        noise: of the policy's graph.
        whole, tick: deadlines of frame to command, and of head and safety alone.
        layers: the slowest; roofline: of the policy's graph, None without layers and on a
            GPU whose board is not told.
        before, after: the clocks.
        warnings: what makes these numbers hard to repeat.
    """

    bundle: str
    policy_sha256: str
    choice: Choice
    plan: ProfilePlan
    runs_on: str
    threads: int
    policy_hz: float
    control_hz: float
    machine: Machine
    before: Clocks
    after: Clocks
    warnings: list[str]
    start: Start
    memory: Memory
    latency: dict[str, Latency]
    absent: dict[str, str]
    noise: NoiseFloor | None
    whole: list[Pace]
    tick: list[Pace]
    layers: list[LayerTime]
    roofline: Roofline | None


def profile(
    root: Path, choice: Choice, plan: ProfilePlan, ceiling: Ceiling | None = None
) -> Profile:
    """Measure everything.

    Args:
        root: the bundle's directory; it is opened here, since that is measured too.
        choice: what of it runs where.
        plan: for how long.
        ceiling: of the board; where none is given this machine's own is measured, of its CPU only.

    Raises:
        BundleError, ConfigError, MissingDependencyError: as `Policy` and `measure_rounds`.
    """
    machine, before = describe_machine(), read_clocks()
    before_mib, before_gpu = resident_mib(), gpu_used_mib(choice)
    bundle, pipeline, start = start_up(root, choice)
    opened_mib, opened_gpu = resident_mib(), gpu_used_mib(choice)
    graph = pipeline.graph
    latency, absent = _measure_latency(bundle, pipeline, plan)
    inputs = pipeline.policy.inputs(pipeline.seen_rgb(), pipeline.told)
    noise = None
    if plan.noise_repeats:
        noise = measure_noise(lambda: graph.run(**inputs), plan.noise_repeats, warm_up=5)
    latent = pipeline.look()
    rates = plan.rates_hz if plan.paced_s else ()
    whole = [measure_pace(pipeline.run, rate, plan.paced_s) for rate in rates]
    tick = [measure_pace(lambda: pipeline.act(latent), rate, plan.paced_s) for rate in rates]
    most_mib = peak_mib()  # the profiler's session and the ceiling are none of the policy's
    layers = list(graph.time_layers(plan.layer_runs, **inputs)) if plan.layer_runs else []
    threads = choice.threads or default_threads()
    onnx_name = f"{choice.graph}.onnx"
    weights_bytes = bundle.manifest.files[onnx_name].bytes
    if layers and "cpu" in latency and not ceiling:
        ceiling = measure_ceiling(threads, precision_of(choice.graph), weights_bytes)
    roofline = None
    if layers and ceiling:
        measured = sum(latency[name].p50_ms for name in ("cpu", "gpu") if name in latency)
        gflop = _count_gflop(bundle, layers, inputs)
        roofline = place_under(ceiling, weights_bytes, gflop, measured)
    after = read_clocks()
    return Profile(
        bundle=bundle.root.name,
        policy_sha256=bundle.manifest.files[onnx_name].sha256,
        choice=choice,
        plan=plan,
        runs_on=graph.name,
        threads=threads,
        policy_hz=bundle.spec.timing.policy_hz,
        control_hz=bundle.spec.action.control_hz,
        machine=machine,
        before=before,
        after=after,
        warnings=[
            *clock_warnings(before, after),
            *_load_warnings(machine),
            *(other_mode(ceiling, before.power_mode) if ceiling else ()),
            *([NO_CEILING] if layers and not ceiling else ()),
        ],
        start=start,
        memory=Memory(
            before_mib=before_mib,
            opened_mib=opened_mib,
            peak_mib=most_mib,
            gpu_mib=None if before_gpu is None or opened_gpu is None else opened_gpu - before_gpu,
        ),
        latency=latency,
        absent=absent,
        noise=noise,
        whole=whole,
        tick=tick,
        layers=layers[: plan.top_layers],
        roofline=roofline,
    )


def measure_latency(
    bundle: Bundle,
    repeats: int = 200,
    *,
    warm_up: int = 20,
    choice: Choice | None = None,
    graph: StagedGraph | None = None,
) -> dict[str, Latency]:
    """Latency by part of `Pipeline`, and of every head, interleaved.

    `graph` looks in place of the one that `choice` names.

    Raises:
        ConfigError: `repeats` below 1, or `warm_up` below 0.
    """
    plan = ProfilePlan(repeats=repeats, warm_up=warm_up)
    return _measure_latency(bundle, Pipeline(bundle, choice or Choice(), graph), plan)[0]


def _measure_latency(
    bundle: Bundle, pipeline: Pipeline, plan: ProfilePlan
) -> tuple[dict[str, Latency], dict[str, str]]:
    heads, absent = build_heads(bundle)
    measured = measure_rounds(
        lambda: {**pipeline.run_timed(), **time_parts(heads)}, plan.repeats, plan.warm_up
    )
    ours = pipeline.parts
    absent |= {part: NOT_HERE[part] for part in PARTS if part not in ours}
    latency = {part: summarise(measured[part]) for part in (*ours, *heads)}
    return latency, absent


def _count_gflop(bundle: Bundle, layers: list[LayerTime], inputs: Arrays) -> float:
    """Of one look. An engine does not tell; the float32 graph does the same arithmetic."""
    if any(layer.gflop is None for layer in layers):
        layers = OnnxGraph(bundle.path("policy.onnx")).time_layers(1, **inputs)
    return sum(layer.gflop or 0.0 for layer in layers)


def _load_warnings(machine: Machine) -> list[str]:
    if machine.load < 0.5:
        return []
    return [f"{machine.load:.1f} other tasks waited for a core before measuring began"]
