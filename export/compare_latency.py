"""The same policy on everything that runs it here, from the camera's frame to codes; and the head.

    python export/compare_latency.py RUN --bundle RUN/bundle --out latency

PyTorch eager and compiled, ONNX Runtime in each precision and on each provider, TensorRT with and
without a CUDA graph, the native head: all in one process, taking turns, on the same frame, after
warm-up. Every row is held against PyTorch in the same run, on the moments that the bundle was
verified on and by the same limits: a fast wrong answer is no answer, and ends with status 1. Rows
that this machine cannot run are printed too, with the reason.

A row's turn is two calls, of which the second counts: for milliseconds after a call PyTorch's
OpenMP threads spin on and would take a core from the next row, whose caches are another row's as
well. With --pause-s it is one call after a rest, as on a robot between two looks: caches are cold,
threads asleep.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, cast

import msgspec
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console

from lapa_edge.artifact import Bundle, load_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.errors import BundleError, ConfigError, LapaError
from lapa_edge.export.side_by_side import (
    Moment,
    hold_head,
    hold_policy,
    read_moments,
    read_observations,
)
from lapa_edge.model.agent import Agent
from lapa_edge.runtime.backends.graph import Arrays, Graph
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph, Provider
from lapa_edge.runtime.backends.opening import open_engine
from lapa_edge.runtime.head import NativeHead, OnnxHead, has_calibration
from lapa_edge.runtime.policy import Policy
from lapa_edge.runtime.profile import Latency, Machine, describe_machine, measure_parts
from lapa_edge.train.actions import read_agent
from lapa_edge.train.run_directory import RunDirectory

POLICY, HEAD = "policy", "action head"
BASELINE = "torch eager, cpu"

Network = Callable[..., Arrays]  # what it is given, by name, to what comes of it


@dataclass(frozen=True)
class Entry:
    """One network on one thing: how it is called, or for what `reason` it cannot be.

    `table`: of the limits that it is held to.
    """

    run: Network | None = None
    reason: str = ""
    table: str = "fp32"


@dataclass(frozen=True)
class CompareFlags:
    """Flags of compare_latency.py."""

    run: Annotated[Path, tyro.conf.Positional]
    """A finished run of lapa-train actions."""
    bundle: Path | None = None
    """Its bundle. Default: RUN/bundle."""
    repeats: int = 200
    """Measured rounds; every row runs once in each."""
    warm_up: int = 20
    """Rounds before them that are not counted."""
    threads: int = 2
    """Threads on the CPU, of PyTorch and of ONNX Runtime alike."""
    pause_s: float = 0.0
    """Rest before each call, seconds: 0.1 is a policy at 10 Hz. 0: an uncounted call instead."""
    camera: tuple[int, int] = (480, 640)
    """Rows and columns of the camera frame, pixels."""
    moments: int = 64
    """Moments on which each row is held against PyTorch; of those the bundle was verified on."""
    compile: bool = True
    """Whether torch.compile is among the rows; it takes a compiler and a minute."""
    out: Path | None = None
    """Also write OUT.json and OUT.md."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One network on one thing.

    Attributes:
        latency: None where it cannot run here, for the `reason`.
        speedup: of the baseline's p50 over this one's.
        measured: against the baseline, by the names of `export.limits`; failures: what of it breaks
            a limit, in words.
    """

    network: str
    runs_on: str
    reason: str = ""
    latency: Latency | None = None
    speedup: float | None = None
    measured: dict[str, float] = {}
    failures: list[str] = []


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, and where and how they were measured."""

    rows: list[Row]
    machine: Machine
    threads: int
    pause_s: float
    camera: tuple[int, int]
    source: str


Entries = dict[tuple[str, str], Entry]  # by network and what runs it


def compare(flags: CompareFlags) -> None:
    """Measure what runs here; print every row, and write the files that are asked for.

    Raises:
        BundleError: a row's answers are not PyTorch's; it is printed and written all the same.
    """
    check_flags(flags)
    bundle = load_bundle(flags.bundle or flags.run / "bundle")
    torch.set_num_threads(flags.threads)
    config, agent = read_agent(RunDirectory(flags.run))
    with torch.inference_mode():
        entries: Entries = {
            **torch_entries(agent, compiled=flags.compile),
            **onnx_entries(bundle, flags.threads),
            **tensorrt_entries(bundle),
            **head_entries(bundle),
        }
        comparison = measure(
            entries, bundle, flags, chained=config.policy.decoder == "autoregressive"
        )
    report = describe(comparison)
    Console().print(report, markup=False, highlight=False, soft_wrap=True)
    if flags.out:
        flags.out.with_suffix(".md").write_text(report)
        data = msgspec.json.format(msgspec.json.encode(comparison))
        flags.out.with_suffix(".json").write_bytes(data)
    wrong = [
        f"{row.network} on {row.runs_on}: {'; '.join(row.failures)}"
        for row in comparison.rows
        if row.failures
    ]
    if wrong:
        problem = f"not what PyTorch answers: {' | '.join(wrong)}"
        raise BundleError(f"parity of {bundle.root}", problem, "these rows' times mean nothing")


def check_flags(flags: CompareFlags) -> None:
    """Raise `ConfigError` for a number that nothing can be measured with."""
    if not 0 <= flags.pause_s < math.inf:
        raise ConfigError("--pause-s", f"expected a time of 0 s or more, got {flags.pause_s:g}")
    least = {"repeats": 1, "warm-up": 0, "threads": 1, "moments": 1}
    for name, lowest in least.items():
        if (count := getattr(flags, name.replace("-", "_"))) < lowest:
            raise ConfigError(f"--{name}", f"expected at least {lowest}, got {count}")
    if min(flags.camera) < 1:
        rows, columns = flags.camera
        problem = f"expected rows and columns of at least 1, got {rows} {columns}"
        raise ConfigError("--camera", problem)


def measure(entries: Entries, bundle: Bundle, flags: CompareFlags, *, chained: bool) -> Comparison:
    """Every entry that runs: its answers to every moment, then in turns its time."""
    seen = read_observations(bundle, flags.moments)
    moments = list(read_moments(bundle, seen))
    answers: dict[tuple[str, str], list[Arrays]] = {}
    entries = dict(entries)
    for key, entry in entries.items():
        if entry.run is not None:
            try:
                answers[key] = [ask(key[0], entry.run, moment) for moment in moments]
            except Exception as error:  # a compiler, a driver: each has errors of its own
                if key[1] == BASELINE:
                    raise
                entries[key] = Entry(reason=_first_line(error))
    frame = np.random.default_rng(0).integers(0, 256, (*flags.camera, 3), np.uint8)
    policy, views = Policy(bundle, seen.instructions[0]), [frame for _ in bundle.spec.cameras]
    parts = {
        " / ".join(key): timed(key[0], entry.run, policy, views, moments[0])
        for key, entry in entries.items()
        if entry.run is not None
    }
    logging.getLogger("lapa_edge").info("measuring %d rows, %d rounds", len(parts), flags.repeats)
    latency = measure_parts(
        parts,
        flags.repeats,
        flags.warm_up,
        prepare=lambda part: time.sleep(flags.pause_s) if flags.pause_s else part(),
    )
    rows = []
    for key, entry in entries.items():
        network, runs_on = key
        if entry.run is None:
            rows.append(Row(network=network, runs_on=runs_on, reason=entry.reason))
            continue
        own, base = latency[" / ".join(key)], latency[f"{network} / {BASELINE}"]
        expected, got = answers[network, BASELINE], answers[key]
        if network == POLICY:
            measured, failures = hold_policy(expected, got, entry.table, chained)
        else:
            measured, failures = hold_head(expected, got, entry.table)
        rows.append(
            Row(
                network=network,
                runs_on=runs_on,
                latency=own,
                speedup=base.p50_ms / own.p50_ms,
                measured=measured,
                failures=failures,
            )
        )
    machine = describe_machine()
    versions = {**machine.versions, "torch": str(torch.__version__)}
    return Comparison(
        rows=rows,
        machine=msgspec.structs.replace(machine, versions=versions),
        threads=flags.threads,
        pause_s=flags.pause_s,
        camera=flags.camera,
        source=seen.source,
    )


def ask(network: str, run: Network, moment: Moment) -> Arrays:
    """One network's answer to one moment, an array of its own."""
    found = run(**moment.inputs) if network == POLICY else run(x=moment.x)
    return {name: np.array(array) for name, array in found.items()}


def timed(
    network: str, run: Network, policy: Policy, views: list[NDArray[np.uint8]], moment: Moment
) -> Callable[[], object]:
    """The call that is timed: from the camera's frame on, or the head alone."""
    if network == HEAD:
        return lambda: run(x=moment.x)
    return lambda: run(**policy.inputs(views))


def torch_entries(agent: Agent, *, compiled: bool) -> Entries:
    """PyTorch as it comes and compiled, on the CPU and, where there is one, the GPU.

    It is given the planes of the native preprocessing, like the others.
    """
    entries: Entries = {}
    for device in ("cpu", "cuda"):
        there = device == "cpu" or torch.cuda.is_available()
        for way in ("eager", "compile"):
            name = f"torch {way}, {device}"
            if not there or (way == "compile" and not compiled):
                reason = "left out by --no-compile" if there else "no CUDA GPU answers torch"
                entries |= {(POLICY, name): Entry(reason=reason)}
                entries |= {(HEAD, name): Entry(reason=reason)}
                continue
            there_too = agent if device == "cpu" else copy.deepcopy(agent).to(device)
            for network, call in ((POLICY, there_too.see), (HEAD, there_too.head)):
                run = torch.compile(call) if way == "compile" else call
                wrap = _torch_policy if network == POLICY else _torch_head
                entries[network, name] = Entry(wrap(run, device))
    return entries


def _torch_policy(call: Callable[..., object], device: str) -> Network:
    def run(**inputs: NDArray[np.generic]) -> Arrays:
        tensors = [torch.from_numpy(array).to(device) for array in inputs.values()]
        logits, context = cast("tuple[torch.Tensor, torch.Tensor]", call(*tensors))
        found: Arrays = {"context": context.cpu().numpy()}
        return {"logits": logits.cpu().numpy(), **found} if logits.numel() else found

    return run


def _torch_head(call: Callable[..., object], device: str) -> Network:
    def run(x: NDArray[np.float32]) -> Arrays:
        chunk = cast("torch.Tensor", call(torch.from_numpy(x).to(device)))
        return {"chunk": chunk.cpu().numpy()[0]}

    return run


def onnx_entries(bundle: Bundle, threads: int) -> Entries:
    """Each precision of the policy's graph on ONNX Runtime's CPU, float32 on its GPU providers."""
    entries: Entries = {}
    graphs = sorted(x for x in bundle.manifest.files if PurePosixPath(x).match("policy*.onnx"))
    for name in [*graphs, *(["policy.int8.onnx"] if "policy.int8.onnx" not in graphs else [])]:
        precision = _precision(PurePosixPath(name).stem)
        key = POLICY, f"ONNX Runtime {precision}, cpu"
        if name not in graphs:
            reason = "not in this bundle; lapa-export --steps quantize makes it"
            entries[key] = Entry(reason=reason)
            continue
        path = bundle.path(name)
        entries[key] = _opened(lambda path=path: OnnxGraph(path, threads), precision)
    providers: tuple[Provider, ...] = ("cuda", "tensorrt")
    for provider in providers:
        key = POLICY, f"ONNX Runtime fp32, {provider} provider"
        entries[key] = _opened(
            lambda provider=provider: OnnxGraph(bundle.path("policy.onnx"), provider=provider),
            "fp32",
        )
    return entries


def tensorrt_entries(bundle: Bundle) -> Entries:
    """Every engine of the policy in the bundle, with its kernels one by one and as one graph."""
    engines = [
        PurePosixPath(name)
        for name in sorted(bundle.manifest.files)
        if PurePosixPath(name).match("engines/*/policy*.engine")
    ]
    if not engines:
        reason = "no engine in this bundle; lapa-export --target trt --board NAME builds it"
        return {
            (POLICY, f"TensorRT, {way}"): Entry(reason=reason) for way in ("plain", "CUDA graph")
        }
    return {
        (POLICY, f"TensorRT {path.parent.name} {path.stem}, {way}"): _opened(
            lambda path=path, way=way: open_engine(
                bundle, path.parent.name, path.stem, cuda_graph=way == "CUDA graph"
            ),
            _precision(path.stem),
        )
        for path in engines
        for way in ("plain", "CUDA graph")
    }


def head_entries(bundle: Bundle) -> Entries:
    """The head's network as the native kernel, in each precision, and on ONNX Runtime."""
    entries: Entries = {
        (HEAD, "ONNX Runtime fp32, cpu"): Entry(_head(OnnxHead(bundle))),
        (HEAD, "native f32"): Entry(_head(NativeHead(bundle))),
        (HEAD, "native bf16"): Entry(_head(NativeHead(bundle, "bf16")), table="bf16 head"),
    }
    if has_calibration(bundle):
        entries[HEAD, "native int8"] = Entry(_head(NativeHead(bundle, "int8")), table="int8 head")
    else:
        entries[HEAD, "native int8"] = Entry(reason="this bundle carries no calibration")
    return entries


def _head(head: NativeHead | OnnxHead) -> Network:
    return lambda x: {"chunk": head.forward(x[0])}


def _precision(graph: str) -> str:
    """Of ``policy.int8`` and the like; float32 without a word."""
    return graph.partition(".")[2] or "fp32"


def _opened(open_one: Callable[[], Graph], precision: str) -> Entry:
    """A graph as an entry, or why there is none here."""
    try:
        return Entry(open_one().run, table=precision)
    except LapaError as error:
        return Entry(reason=_first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]


def describe(comparison: Comparison) -> str:
    """The comparison in Markdown."""
    machine = comparison.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    pause = f"{comparison.pause_s:g} s of rest" if comparison.pause_s else "an uncounted call"
    lines = [
        "# From camera frame to codes, and the head alone: milliseconds, batch 1",
        "",
        f"{machine.cpu}, {machine.cores} cores, {comparison.threads} threads, load "
        f"{machine.load:.1f}, {machine.system}; {versions}. Camera {comparison.camera[0]} x "
        f"{comparison.camera[1]}. Rows took turns, each after {pause}; speed-up and parity are "
        f"against {BASELINE}, parity on {comparison.source}.",
        "",
        "| network | on | p50 | p99 | max | speed-up | codes equal | max abs | parity | not run |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for row in comparison.rows:
        if row.latency is None:
            lines.append(f"| {row.network} | {row.runs_on} | | | | | | | | {row.reason} |")
            continue
        x, found = row.latency, row.measured
        codes = found.get("code_match_percent")
        equal = "" if codes is None else f"{codes:.2f} %"
        apart = found.get("context_max_abs", found.get("max_abs", math.nan))
        verdict = "**BROKEN**" if row.failures else "holds"
        lines.append(
            f"| {row.network} | {row.runs_on} | {x.p50_ms:.4f} | {x.p99_ms:.4f} | {x.max_ms:.4f} "
            f"| {row.speedup:.2f} | {equal} | {apart:.1e} | {verdict} | |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Entry point."""
    # NVIDIA's libraries would round float32 products to 10 bits, each by a switch of its own, and
    # the rows would not compute the same: this is read when they start.
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    description = "Time one policy on all that runs it here, and hold every answer against PyTorch."
    return run_command(compare, CompareFlags, "compare_latency.py", description)


if __name__ == "__main__":
    sys.exit(main())
