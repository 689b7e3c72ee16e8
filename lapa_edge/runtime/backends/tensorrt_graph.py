"""An engine behind the `Graph` protocol: pinned buffers, one stream, a CUDA graph after warm-up.

The sidecar is checked before TensorRT sees a byte (`check_engine`); this file starts from the path
it gave out. What differs between TensorRT and TensorRT for RTX is in `tensorrt_loading`.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import BundleError, LapaError, RuntimeInputError
from lapa_edge.runtime.backends.cuda_driver import CudaDriver
from lapa_edge.runtime.backends.graph import (
    GPU_STAGES,
    Arrays,
    LayerTime,
    Shapes,
    Stage,
    check_arrays,
)
from lapa_edge.runtime.backends.tensorrt_library import TensorRT
from lapa_edge.runtime.backends.tensorrt_loading import LoadedEngine

log = logging.getLogger(__name__)

WARM_UP = 3  # the first runs load kernels, and TensorRT for RTX compiles them


class TensorrtGraph:
    """One engine, ready to run.

    Args:
        engine: a file that `check_engine` gave out.
        library: what it is run by.
        driver: the GPU.
        cuda_graph: launch all kernels at once, as captured after warm-up.
        cache: see `LoadedEngine`.

    Raises:
        BundleError: TensorRT refuses it; its own words follow.
    """

    stages = GPU_STAGES

    def __init__(
        self,
        engine: Path,
        library: TensorRT,
        driver: CudaDriver,
        cuda_graph: bool = True,
        cache: bytes = b"",
    ) -> None:
        self._driver, self._trt = driver, library.module
        self._loaded = LoadedEngine(engine, library, cache)
        self._context, self._logger = self._loaded.context, self._loaded.logger
        self.inputs, self.outputs = _read_shapes(engine, self._loaded.engine, self._trt)
        self._set_up_buffers()
        self._captured: int | None = None
        self.name = f"{library.name} {library.version}"
        self._warm_up()
        if cuda_graph and self._capture():
            self.name += ", CUDA graph"

    def kernels(self) -> bytes | None:
        """See `LoadedEngine.kernels`; after warm-up, all that a run needs."""
        return self._loaded.kernels()

    def run(self, **arrays: NDArray[np.generic]) -> Arrays:
        """See `Graph.run`."""
        return self.run_staged(**arrays)[0]

    def run_staged(self, **arrays: NDArray[np.generic]) -> tuple[Arrays, dict[Stage, int]]:
        """See `Graph.run_staged`; all but "enqueue" by the GPU's own clock, without a wait."""
        check_arrays(self.inputs, arrays)
        driver, stream, marks = self._driver, self._stream, self._marks
        driver.enter()  # looks may come from another thread than the one that loaded this
        for name, array in arrays.items():
            self._host[name][...] = array
        driver.record(marks[0], stream)
        for name in arrays:
            driver.copy_in(self._device[name], self._host[name], stream)
        driver.record(marks[1], stream)
        start = time.perf_counter_ns()
        self._enqueue()
        queued = time.perf_counter_ns()
        driver.record(marks[2], stream)
        for name in self.outputs:
            driver.copy_out(self._host[name], self._device[name], stream)
        driver.record(marks[3], stream)
        driver.wait(stream)
        h2d, gpu, d2h = (driver.elapsed_ns(a, b) for a, b in pairwise(marks))
        stages: dict[Stage, int] = {
            "host_to_device": h2d, "enqueue": queued - start, "gpu": gpu, "device_to_host": d2h
        }  # fmt: skip
        return {name: self._host[name].copy() for name in self.outputs}, stages

    def time_layers(self, runs: int, **arrays: NDArray[np.generic]) -> list[LayerTime]:
        """See `Graph.time_layers`: TensorRT's own profiler, which knows no captured graph."""
        profiler = _layer_profiler(self._trt)
        captured, self._captured = self._captured, None
        self._context.profiler = profiler
        try:
            for _ in range(runs):
                self.run(**arrays)
        finally:
            # The profiler stays with the context for good, so it must not be collected.
            self._profiler, self._captured = profiler, captured
        layers = [
            LayerTime(name, "", float(np.median(times))) for name, times in profiler.took.items()
        ]
        return sorted(layers, key=lambda layer: -layer.p50_ms)

    def _set_up_buffers(self) -> None:
        driver = self._driver
        self._host: Arrays = {}
        self._device: dict[str, int] = {}
        for name, (shape, dtype) in {**self.inputs, **self.outputs}.items():
            self._host[name] = driver.allocate_pinned(shape, dtype)
            self._host[name].fill(0)
            self._device[name] = driver.allocate(self._host[name].nbytes)
            self._context.set_tensor_address(name, self._device[name])
        self._stream = driver.create_stream()
        self._marks = [driver.create_event() for _ in range(4)]
        # Not at exit: the driver may be gone by then, and takes its memory with it.
        weakref.finalize(
            self, _free, driver, list(self._device.values()), list(self._host.values())
        ).atexit = False

    def _warm_up(self) -> None:
        zeros = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self.inputs.items()}
        for _ in range(WARM_UP):
            self.run(**zeros)

    def _capture(self) -> bool:
        """Whether the kernels are one CUDA graph from now on; half a graph is none."""
        self._driver.begin_capture(self._stream)
        problem = ""
        try:
            self._enqueue()
        except LapaError as error:
            problem = str(error)
        try:  # ended in any case: a stream left capturing runs nothing any more
            captured = self._driver.end_capture(self._stream)
        except LapaError as error:
            problem = problem or str(error)
        if problem:
            log.warning("no CUDA graph of this engine, it runs without one: %s", problem)
            return False
        self._captured = captured
        return True

    def _enqueue(self) -> None:
        if self._captured is not None:
            self._driver.launch(self._captured, self._stream)
        elif not self._context.execute_async_v3(self._stream):
            problems = "; ".join(self._logger.errors) or "it gave no reason"
            raise RuntimeInputError("engine", f"TensorRT could not run it ({problems})")


def _read_shapes(path: Path, engine: Any, trt: Any) -> tuple[Shapes, Shapes]:
    inputs: Shapes = {}
    outputs: Shapes = {}
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        shape = tuple(engine.get_tensor_shape(name))
        if min(shape, default=0) < 0:
            raise BundleError(
                f"engine {path}",
                f"{name}: expected a static shape, got {list(shape)}",
                "export the bundle with lapa-export",
            )
        into = inputs if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else outputs
        into[name] = shape, np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
    return inputs, outputs


def _layer_profiler(trt: Any) -> Any:
    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.took: dict[str, list[float]] = defaultdict(list)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.took[layer_name].append(ms)

    return Profiler()


def _free(driver: CudaDriver, device: list[int], host: list[NDArray[np.generic]]) -> None:
    driver.enter()
    for memory in device:
        driver.free(memory)
    for array in host:
        driver.free_pinned(array)
