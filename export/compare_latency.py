"""The same policy on everything that runs it here, from the camera's frame to codes; and the head.

    python export/compare_latency.py RUN --bundle RUN/bundle --out latency

PyTorch eager and compiled, ONNX Runtime in each precision and on each provider, TensorRT with and
without a CUDA graph, the native head: all in one process, taking turns, on the same frame, after
warm-up. Every row is held against PyTorch in the same run, since a fast wrong answer is no answer.
Rows that this machine cannot run are printed too, with the reason.

A row's turn is two calls, of which the second counts: for milliseconds after a call PyTorch's
OpenMP threads spin on and would take a core from the next row, whose caches are another row's as
well. With --pause-s it is one call after a rest, as on a robot between two looks: caches are cold,
threads asleep.
"""

from __future__ import annotations

import logging
import math
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
from lapa_edge.errors import ConfigError, LapaError
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

Answer = Callable[[], Arrays]  # one whole call, and what came of it


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
    compile: bool = True
    """Whether torch.compile is among the rows; it takes a compiler and a minute."""
    out: Path | None = None
    """Also write OUT.json and OUT.md."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One network on one thing.

    Attributes:
        latency: None where it cannot run here, for the `reason`.
        speedup: of the baseline's p50 over this one's.
        codes_equal: share of codes, 0 to 1, and max_abs: of context or chunk, against the baseline.
    """

    network: str
    runs_on: str
    reason: str = ""
    latency: Latency | None = None
    speedup: float | None = None
    codes_equal: float | None = None
    max_abs: float | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, and where and how they were measured."""

    rows: list[Row]
    machine: Machine
    threads: int
    pause_s: float
    camera: tuple[int, int]


Entries = dict[tuple[str, str], "Answer | str"]  # network and what runs it: a call, or why not


def compare(flags: CompareFlags) -> None:
    """Measure what runs here; print every row, and write the files that are asked for."""
    if not 0 <= flags.pause_s < math.inf:
        raise ConfigError("--pause-s", f"expected a time of 0 s or more, got {flags.pause_s:g}")
    bundle = load_bundle(flags.bundle or flags.run / "bundle")
    torch.set_num_threads(flags.threads)
    _, agent = read_agent(RunDirectory(flags.run))
    frame = np.random.default_rng(0).integers(0, 256, (*flags.camera, 3), np.uint8)
    views = [frame for _ in bundle.spec.cameras]
    x = np.random.default_rng(1).standard_normal(bundle.spec.head_input_dim).astype(np.float32)
    policy = Policy(bundle, "go")
    with torch.inference_mode():
        entries: Entries = {
            **torch_entries(agent, policy, views, x, compiled=flags.compile),
            **onnx_entries(bundle, policy, views, flags.threads),
            **tensorrt_entries(bundle, policy, views),
            **head_entries(bundle, x),
        }
        comparison = measure(entries, flags)
    report = describe(comparison)
    Console().print(report, markup=False, highlight=False, soft_wrap=True)
    if flags.out:
        flags.out.with_suffix(".md").write_text(report)
        data = msgspec.json.format(msgspec.json.encode(comparison))
        flags.out.with_suffix(".json").write_bytes(data)


def measure(entries: Entries, flags: CompareFlags) -> Comparison:
    """Every entry that runs, once for its answer and then in turns for its time."""
    answers: dict[tuple[str, str], Arrays] = {}
    entries = dict(entries)
    for key, entry in entries.items():
        if callable(entry):
            try:
                answers[key] = entry()
            except Exception as error:  # a compiler, a driver: each has errors of its own
                if key[1] == BASELINE:
                    raise
                entries[key] = _first_line(error)
    parts = {key: entry for key, entry in entries.items() if callable(entry)}
    logging.getLogger("lapa_edge").info("measuring %d rows, %d rounds", len(parts), flags.repeats)
    latency = measure_parts(
        {" / ".join(key): part for key, part in parts.items()},
        flags.repeats,
        flags.warm_up,
        prepare=lambda part: time.sleep(flags.pause_s) if flags.pause_s else part(),
    )
    rows = []
    for key, entry in entries.items():
        network, runs_on = key
        if isinstance(entry, str):
            rows.append(Row(network=network, runs_on=runs_on, reason=entry))
            continue
        own, base = latency[" / ".join(key)], latency[f"{network} / {BASELINE}"]
        equal, max_abs = hold_against(answers[network, BASELINE], answers[key])
        rows.append(
            Row(
                network=network,
                runs_on=runs_on,
                latency=own,
                speedup=base.p50_ms / own.p50_ms,
                codes_equal=equal,
                max_abs=max_abs,
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
    )


def hold_against(expected: Arrays, got: Arrays) -> tuple[float | None, float]:
    """Share of equal codes (None without codes), and the largest difference of the rest.

    What is not finite counts as infinitely far away.
    """
    equal = None
    if "logits" in expected:
        codes = [x["logits"].argmax(-1) for x in (expected, got)]
        equal = float((codes[0] == codes[1]).mean())
    apart = [
        np.abs(expected[name].astype(np.float64) - got[name].astype(np.float64)).max()
        for name in expected
        if name != "logits"
    ]
    return equal, float(np.nan_to_num(max(apart), nan=np.inf))


def torch_entries(
    agent: Agent, policy: Policy, views: list[NDArray[np.uint8]], x: NDArray[np.float32],
    *, compiled: bool,
) -> Entries:  # fmt: skip
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
                entries |= {(POLICY, name): reason, (HEAD, name): reason}
                continue
            modules = (agent.instructed.policy, agent.head)
            for network, module in zip((POLICY, HEAD), modules, strict=True):
                # A copy in this process would share compiled code; the module itself moves once.
                run = module.to(device) if device == "cpu" else _copied(module, device)
                call = torch.compile(run) if way == "compile" else run
                if network == POLICY:
                    entries[network, name] = _torch_policy(call, policy, views, device)
                else:
                    entries[network, name] = _torch_head(call, x, device)
    return entries


def _copied(module: torch.nn.Module, device: str) -> torch.nn.Module:
    import copy

    return copy.deepcopy(module).to(device)


def _torch_policy(
    call: Callable[..., object], policy: Policy, views: list[NDArray[np.uint8]], device: str
) -> Answer:
    codes = policy.spec.latent is not None

    def answer() -> Arrays:
        inputs = policy.inputs(views)
        tensors = [torch.from_numpy(array).to(device) for array in inputs.values()]
        logits, context = cast("tuple[torch.Tensor, torch.Tensor]", call(*tensors))
        found: Arrays = {"context": context.cpu().numpy()}
        return {"logits": logits.cpu().numpy(), **found} if codes else found

    return answer


def _torch_head(call: Callable[..., object], x: NDArray[np.float32], device: str) -> Answer:
    def answer() -> Arrays:
        chunk = cast("torch.Tensor", call(torch.from_numpy(x[None]).to(device)))
        return {"chunk": chunk.cpu().numpy()[0]}

    return answer


def onnx_entries(
    bundle: Bundle, policy: Policy, views: list[NDArray[np.uint8]], threads: int
) -> Entries:
    """Each precision of the policy's graph on ONNX Runtime's CPU, float32 on its GPU providers."""
    entries: Entries = {}
    graphs = sorted(x for x in bundle.manifest.files if PurePosixPath(x).match("policy*.onnx"))
    for name in [*graphs, *(["policy.int8.onnx"] if "policy.int8.onnx" not in graphs else [])]:
        precision = name.removeprefix("policy").removesuffix(".onnx").lstrip(".") or "fp32"
        key = POLICY, f"ONNX Runtime {precision}, cpu"
        if name not in graphs:
            entries[key] = "not in this bundle; lapa-export --steps quantize makes it"
            continue
        path = bundle.path(name)
        entries[key] = _opened(lambda path=path: OnnxGraph(path, threads), policy, views)
    providers: tuple[Provider, ...] = ("cuda", "tensorrt")
    for provider in providers:
        key = POLICY, f"ONNX Runtime fp32, {provider} provider"
        entries[key] = _opened(
            lambda provider=provider: OnnxGraph(bundle.path("policy.onnx"), provider=provider),
            policy,
            views,
        )
    return entries


def tensorrt_entries(bundle: Bundle, policy: Policy, views: list[NDArray[np.uint8]]) -> Entries:
    """Every engine of the policy in the bundle, with its kernels one by one and as one graph."""
    engines = [
        PurePosixPath(name)
        for name in sorted(bundle.manifest.files)
        if PurePosixPath(name).match("engines/*/policy*.engine")
    ]
    if not engines:
        reason = "no engine in this bundle; lapa-export --target trt --board NAME builds it"
        return {(POLICY, f"TensorRT, {way}"): reason for way in ("plain", "CUDA graph")}
    return {
        (POLICY, f"TensorRT {path.parent.name} {path.stem}, {way}"): _opened(
            lambda path=path, way=way: open_engine(
                bundle, path.parent.name, path.stem, cuda_graph=way == "CUDA graph"
            ),
            policy,
            views,
        )
        for path in engines
        for way in ("plain", "CUDA graph")
    }


def head_entries(bundle: Bundle, x: NDArray[np.float32]) -> Entries:
    """The head's network as the native kernel, in each precision, and on ONNX Runtime."""
    onnx, native = OnnxHead(bundle), NativeHead(bundle)
    entries: Entries = {
        (HEAD, "ONNX Runtime fp32, cpu"): lambda: {"chunk": onnx.forward(x)},
        (HEAD, "native f32"): lambda: {"chunk": native.forward(x).copy()},
    }
    bf16 = NativeHead(bundle, "bf16")
    entries[HEAD, "native bf16"] = lambda: {"chunk": bf16.forward(x).copy()}
    if not has_calibration(bundle):
        entries[HEAD, "native int8"] = "this bundle carries no calibration"
        return entries
    int8 = NativeHead(bundle, "int8")
    entries[HEAD, "native int8"] = lambda: {"chunk": int8.forward(x).copy()}
    return entries


def _opened(
    open_one: Callable[[], Graph], policy: Policy, views: list[NDArray[np.uint8]]
) -> Answer | str:
    """The whole way from frame to codes on a graph, or why there is none here."""
    try:
        graph = open_one()
    except LapaError as error:
        return _first_line(error)
    return lambda: graph.run(**policy.inputs(views))


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
        f"against {BASELINE}.",
        "",
        "| network | on | p50 | p99 | max | speed-up | codes equal | max abs | not run |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in comparison.rows:
        if row.latency is None:
            lines.append(f"| {row.network} | {row.runs_on} | | | | | | | {row.reason} |")
            continue
        x = row.latency
        equal = "" if row.codes_equal is None else f"{row.codes_equal:.1%}"
        lines.append(
            f"| {row.network} | {row.runs_on} | {x.p50_ms:.4f} | {x.p99_ms:.4f} | {x.max_ms:.4f} "
            f"| {row.speedup:.2f} | {equal} | {row.max_abs:.1e} | |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Entry point."""
    description = "Time one policy on all that runs it here, and hold every answer against PyTorch."
    return run_command(compare, CompareFlags, "compare_latency.py", description)


if __name__ == "__main__":
    sys.exit(main())
