"""How long each part takes on this machine, measured the way the robot will feel it.

Warm-up first, then rounds in which every part runs once: parts measured one after another in
blocks would each meet another temperature, clock rate and neighbour. Times are the monotonic
clock's. `paced` spaces the rounds at control rate, which also shows what an idle core costs.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.head import NativeHead, OnnxHead, build_head
from lapa_edge.runtime.onnx_graph import OnnxGraph
from lapa_edge.runtime.policy import Policy
from lapa_edge.runtime.session import Session

INSTRUCTION = "go"  # how long the policy takes does not depend on the words

Part = Callable[[], object]
Clock = Callable[[], int]  # nanoseconds


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds over `repeats` calls."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    repeats: int


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured. `load` is the mean number of waiting tasks over the last minute."""

    cpu: str
    cores: int
    system: str
    load: float
    versions: dict[str, str]


def measure_latency(
    bundle: Bundle,
    repeats: int = 200,
    *,
    warm_up: int = 20,
    paced: bool = False,
    camera_size: tuple[int, int] = (480, 640),
    threads: int = 1,
    seed: int = 0,
) -> dict[str, Latency]:
    """Latency by part.

    ``preprocess`` (camera frame to tensor), ``text_encoder`` (once per instruction), ``policy``
    (the graph alone), ``look`` (preprocess, policy and codebook), ``head_native`` and
    ``head_onnx`` (the same head twice), ``act`` (a control tick: head, safety, all between).

    Args:
        bundle: verified.
        repeats: measured rounds, at least 1.
        warm_up: rounds before them that are not counted.
        paced: one round per control period, instead of back to back.
        camera_size: rows and columns of the camera frame, pixels.
        threads: ONNX Runtime threads for the policy.
        seed: of the random frame and head input.

    Raises:
        ConfigError: `repeats` below 1, or `warm_up` below 0.
    """
    parts = build_parts(bundle, camera_size, threads, seed)
    period_s = 1 / bundle.spec.action.control_hz if paced else 0.0
    return measure_parts(parts, repeats, warm_up, period_s)


def measure_parts(
    parts: Mapping[str, Part],
    repeats: int,
    warm_up: int,
    period_s: float = 0.0,
    clock: Clock = time.perf_counter_ns,
) -> dict[str, Latency]:
    """Latency of calls without arguments, interleaved: each runs once per round.

    Args:
        parts: by name, in the order in which a round runs them.
        repeats: measured rounds, at least 1.
        warm_up: rounds before them that are not counted.
        period_s: time from one round's start to the next; 0 runs them back to back.
        clock: monotonic, nanoseconds.
    """
    if repeats < 1 or warm_up < 0:
        raise ConfigError(
            "repeats and warm_up", f"expected at least 1 and 0, got {repeats} and {warm_up}"
        )
    took = {name: np.empty(repeats, np.int64) for name in parts}
    next_s = time.monotonic()
    for round_ in range(-warm_up, repeats):
        if period_s:
            # From the plan, not from the last round's end, so that the rate does not drift.
            next_s = max(next_s + period_s, time.monotonic())
            time.sleep(max(0.0, next_s - time.monotonic()))
        for name, part in parts.items():
            start = clock()
            part()
            end = clock()
            if round_ >= 0:
                took[name][round_] = end - start
    return {name: summarise(nanoseconds) for name, nanoseconds in took.items()}


def build_parts(
    bundle: Bundle, camera_size: tuple[int, int], threads: int, seed: int
) -> dict[str, Part]:
    """Each part as a call without arguments, on one random observation."""
    rng, spec = np.random.default_rng(seed), bundle.spec
    policy = Policy(bundle, INSTRUCTION, threads)
    policy_graph = OnnxGraph(bundle.path("policy.onnx"), threads)
    text_graph = OnnxGraph(bundle.path("text_encoder.onnx"))
    native, onnx = NativeHead(bundle), OnnxHead(bundle)
    session = Session.of(spec, policy, build_head(bundle))
    frame = rng.integers(0, 256, (*camera_size, 3), np.uint8)
    state = np.array(spec.state.mean, np.float32)
    image = policy.preprocess(frame)
    ids = np.ones((1, spec.text.max_tokens), np.int64)
    text = text_graph.run(ids=ids)["text"]
    x = rng.standard_normal(spec.head_input_dim).astype(np.float32)
    session.accept(session.look(frame, 0.0))
    return {
        "preprocess": lambda: policy.preprocess(frame),
        "text_encoder": lambda: text_graph.run(ids=ids),
        "policy": lambda: policy_graph.run(image=image, text=text),
        "look": lambda: session.look(frame, 0.0),
        "head_native": lambda: native.forward(x),
        "head_onnx": lambda: onnx.forward(x),
        # The clock of this session stands still, so its one latent stays fresh.
        "act": lambda: session.act(state, 0.0),
    }


def summarise(nanoseconds: NDArray[np.int64]) -> Latency:
    """Percentiles of measured times; each is a time that occurred, none is interpolated."""
    p50, p95, p99 = np.percentile(nanoseconds, (50, 95, 99), method="higher") / 1e6
    return Latency(
        p50_ms=float(p50),
        p95_ms=float(p95),
        p99_ms=float(p99),
        max_ms=float(nanoseconds.max() / 1e6),
        repeats=len(nanoseconds),
    )


def describe_machine() -> Machine:
    """This machine and the versions that matter to a latency."""
    try:
        versions = {"lapa-edge": version("lapa-edge")}
    except ImportError:  # run from a checkout that was never installed
        versions = {"lapa-edge": "not installed"}
    for name in ("onnxruntime", "numpy"):
        versions[name] = version(name)
    return Machine(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load=os.getloadavg()[0],
        versions={**versions, "python": platform.python_version()},
    )


def _cpu_name() -> str:
    """The CPU in words: Linux says it on x86 in cpuinfo, on a board in its device tree."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
        return Path("/proc/device-tree/model").read_text().rstrip("\0")
    except OSError:
        return platform.processor() or platform.machine()
