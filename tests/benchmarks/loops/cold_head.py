"""How long the head takes in a loop that sleeps between ticks, against back to back.

After ten milliseconds of other people's work the weights have left the caches and the core's clock
has gone down. ONNX Runtime runs with io-binding and one thread, in a sleeping Python loop.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from bundles import head_graph
from heads import calibrate
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.artifact import Bundle
from lapa_edge.runtime.backends.names import HeadPrecision
from lapa_edge.runtime.control_loop import build_native_loop
from lapa_edge.runtime.head import read_head
from lapa_edge.runtime.loop_options import LoopOptions
from loops.robot import FOREVER_S, draw_latent, draw_state

RATE_HZ = 100.0


@dataclass(frozen=True)
class Timing:
    """Median microseconds: back to back, and after a sleep; early: with an early wake before."""

    hot_us: float
    cold_us: float
    early_us: float | None = None


def measure_native(bundle: Bundle, precision: HeadPrecision, seconds: float) -> Timing:
    """The native head; cold times are whole ticks: state in, head, limits, command out."""
    weights, _ = read_head(bundle)
    calibration = calibrate(weights, draw_inputs(bundle)) if precision == "int8" else None
    spec = bundle.spec
    prefix = spec.latent_dim + spec.context_dim
    head = _native.ActionHead(weights, precision=precision, calibration=calibration, prefix=prefix)
    latent = draw_latent(bundle, 0.0)
    rest = np.zeros(spec.head_input_dim - prefix, np.float32)
    out = np.zeros(spec.head_output_dim, np.float32)
    step = head.bind_rest(np.concatenate((latent.vector, latent.context)), rest, out)
    step.refresh()

    def run_loop(early_wake_s: float) -> float:
        options = LoopOptions(
            early_wake_s=early_wake_s, max_state_age_s=FOREVER_S, precision=precision
        )
        loop = build_native_loop(spec, weights, calibration, options, RATE_HZ)
        now_s = time.monotonic()
        loop.set_latent(np.concatenate((latent.vector, latent.context)), now_s)
        loop.set_observation(draw_state(bundle), now_s)
        loop.start()
        time.sleep(seconds)
        loop.stop()
        counts, _ = loop.stats()["execution_ns"]
        half = np.searchsorted(counts.cumsum(), counts.sum() / 2)
        return float(_native.histogram_ends()[half] / 1e3)

    return Timing(hot_us=time_hot(step.step), cold_us=run_loop(0.0), early_us=run_loop(200e-6))


def measure_onnx(bundle: Bundle, precision: str, seconds: float) -> Timing:
    """The head's graph in ONNX Runtime, float32 or with int8 weights."""
    model = head_graph(read_head(bundle)[0])
    if precision == "int8":
        model = quantize(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = draw_inputs(bundle)[:1]
    y = np.zeros((1, bundle.spec.head_output_dim), np.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("chunk", "cpu", 0, np.float32, y.shape, y.ctypes.data)

    def run() -> None:
        session.run_with_iobinding(binding)

    return Timing(hot_us=time_hot(run), cold_us=time_cold(run, seconds))


def draw_inputs(bundle: Bundle) -> NDArray[np.float32]:
    """A thousand inputs of the head, ``f32 [1000, in]``."""
    shape = (1000, bundle.spec.head_input_dim)
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """int8 weights; activations are measured and quantized at every call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it recommends a step that changes nothing here
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "head.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
        return onnx.load(target)


def time_hot(run: Callable[[], object], repeats: int = 20_000) -> float:
    """Median of single calls, one right after the other."""
    took = np.empty(repeats, np.int64)
    for i in range(repeats):
        begin = time.perf_counter_ns()
        run()
        took[i] = time.perf_counter_ns() - begin
    return float(np.median(took) / 1e3)


def time_cold(run: Callable[[], object], seconds: float) -> float:
    """Median of single calls, each after a sleep to the next deadline."""
    took = []
    deadline_s = time.monotonic()
    for _ in range(int(seconds * RATE_HZ)):
        deadline_s += 1 / RATE_HZ
        time.sleep(max(0.0, deadline_s - time.monotonic()))
        begin = time.perf_counter_ns()
        run()
        took.append(time.perf_counter_ns() - begin)
    return float(np.median(took) / 1e3)
