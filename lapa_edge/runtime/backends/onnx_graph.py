"""ONNX Runtime behind the `Graph` protocol: buffers bound once, on the provider asked for.

On a GPU the graph is captured once and launched whole from then on (a CUDA graph), which needs
buffers that stay where they are: hence one set per graph, and one thread at a time.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lapa_edge.errors import BundleError, MissingDependencyError, RuntimeInputError
from lapa_edge.runtime.backends.graph import (
    CPU_STAGES,
    GPU_STAGES,
    Arrays,
    LayerTime,
    Shapes,
    Stage,
    check_arrays,
)
from lapa_edge.runtime.backends.onnx_layers import read_layers

Provider = Literal["cpu", "cuda", "tensorrt"]

MAX_THREADS = 4
_DTYPES = {
    "tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8
}  # fmt: skip
_PROVIDERS: dict[Provider, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    # TF32 would round float32 products to 10 bits: precision is what stands in the graph.
    "cuda": ("CUDAExecutionProvider", {"enable_cuda_graph": "1", "use_tf32": "0"}),
    "tensorrt": ("TensorrtExecutionProvider", {"trt_cuda_graph_enable": "1"}),
}


class OnnxGraph:
    """One static-shaped ONNX graph on ONNX Runtime.

    Args:
        path: a file of a verified bundle.
        threads: threads inside one operator; 0 takes `default_threads`.
        provider: "tensorrt" builds its engine here, at every start: for comparing, not for a robot.
        fuse: whether operators may become one kernel: without, slow, and fp8 runs on the CPU.

    Raises:
        BundleError: no graph of ours, or one that the provider refuses.
        MissingDependencyError: this ONNX Runtime lacks the provider, or it does not start.
    """

    def __init__(
        self, path: Path, threads: int = 1, provider: Provider = "cpu", fuse: bool = True
    ) -> None:
        self._path, self._threads, self._provider, self._fuse = path, threads, provider, fuse
        self._session = self._open()
        self.name = f"ONNX Runtime {onnxruntime.__version__}, {provider}"
        self.inputs = self._shapes("input", self._session.get_inputs())
        self.outputs = self._shapes("output", self._session.get_outputs())
        self._device = "cpu" if provider == "cpu" else "cuda"
        self.stages = CPU_STAGES if provider == "cpu" else GPU_STAGES
        self._bind()

    def _open(self, profile: str = "") -> Any:
        name, provider_options = _PROVIDERS[self._provider]
        there = onnxruntime.get_available_providers()
        if name not in there:
            raise MissingDependencyError(
                f"ONNX Runtime's {name}",
                f"not in the one installed, {onnxruntime.__version__} ({', '.join(there)})",
                'install onnxruntime-gpu in its place, or choose the device "cpu"',
            )
        options = session_options(self._threads or default_threads(), self._fuse)
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        chosen = [(name, provider_options)]
        try:
            session = onnxruntime.InferenceSession(str(self._path), options, providers=chosen)
        except Exception as error:  # ONNX Runtime raises classes it does not export
            raise BundleError(
                f"graph {self._path}", f"ONNX Runtime refuses it ({error})"
            ) from error
        if session.get_providers()[0] != name:
            # It falls back to the CPU with a warning on stderr; a latency would then be another's.
            raise MissingDependencyError(
                f"ONNX Runtime's {name}",
                "did not start",
                'check the GPU driver and CUDA (nvidia-smi), or choose the device "cpu"',
            )
        return session

    def _shapes(self, kind: str, nodes: list[Any]) -> Shapes:
        for node in nodes:
            if node.type not in _DTYPES:
                kinds = ", ".join(_DTYPES)
                raise BundleError(
                    f"graph {self._path}", f"{kind} {node.name}: expected {kinds}, got {node.type}"
                )
            if not all(isinstance(size, int) for size in node.shape):
                raise BundleError(
                    f"graph {self._path}",
                    f"{kind} {node.name}: expected a static shape, got {node.shape}",
                    "export the bundle with lapa-export",
                )
        return {node.name: (tuple(node.shape), np.dtype(_DTYPES[node.type])) for node in nodes}

    def _bind(self) -> None:
        self._binding = self._session.io_binding()
        self._in: Arrays = {}
        self._values: dict[str, Any] = {}
        for name, (shape, dtype) in {**self.inputs, **self.outputs}.items():
            # On the CPU a value shares its array's memory; on a GPU it is a copy there.
            array = np.zeros(shape, dtype)
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array, self._device, 0)
            self._in[name], self._values[name] = array, value
            bind = "bind_ortvalue_input" if name in self.inputs else "bind_ortvalue_output"
            getattr(self._binding, bind)(name, value)
        self._run_options = onnxruntime.RunOptions()
        if self._device == "cuda":
            # So that a run only queues its work, and the wait for it can be told apart.
            key = "disable_synchronize_execution_providers"
            self._run_options.add_run_config_entry(key, "1")

    def run(self, **arrays: NDArray[np.generic]) -> Arrays:
        """See `Graph.run`."""
        return self.run_staged(**arrays)[0]

    def run_staged(self, **arrays: NDArray[np.generic]) -> tuple[Arrays, dict[Stage, int]]:
        """See `Graph.run_staged`; "gpu" is the wait for the GPU after everything is queued."""
        check_arrays(self.inputs, arrays)
        marks = [time.perf_counter_ns()]
        try:
            for name, array in arrays.items():
                if self._device == "cpu":
                    self._in[name][...] = array
                else:
                    self._values[name].update_inplace(np.ascontiguousarray(array))
            if self._device == "cuda":
                marks.append(time.perf_counter_ns())
            self._session.run_with_iobinding(self._binding, self._run_options)
            if self._device == "cuda":
                marks.append(time.perf_counter_ns())
                self._binding.synchronize_outputs()
                marks.append(time.perf_counter_ns())
            answer = {name: np.array(self._values[name].numpy()) for name in self.outputs}
        except Exception as error:  # see above
            raise RuntimeInputError(
                ", ".join(arrays), f"ONNX Runtime failed on them ({error})"
            ) from error
        marks.append(time.perf_counter_ns())
        took = [after - before for before, after in pairwise(marks)]
        return answer, dict(zip(self.stages, took, strict=True))

    def time_layers(self, runs: int, **arrays: NDArray[np.generic]) -> list[LayerTime]:
        """See `Graph.time_layers`: ONNX Runtime's own profile, of a session beside this one."""
        check_arrays(self.inputs, arrays)
        with tempfile.TemporaryDirectory() as folder:
            session = self._open(profile=str(Path(folder) / "layers"))
            for _ in range(runs + 1):
                session.run(list(self.outputs), arrays)
            events = json.loads(Path(session.end_profiling()).read_text())
        return read_layers(events)


def default_threads(cores: int | None = None) -> int:
    """Threads for the policy on so many cores (those this process may use, where not given).

    One core stays with the control loop, whose deadline is the shorter one; 2 cores leave 1. Past
    `MAX_THREADS` operators of this size gain less than handing the work out costs.
    """
    cores = cores or len(os.sched_getaffinity(0))
    return max(1, min(cores - 1, MAX_THREADS))


def session_options(threads: int, fuse: bool = True) -> Any:
    """How every session of ours runs on the CPU, on so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if fuse else levels.ORT_ENABLE_BASIC
    # Helpers spin while a run lasts, since waking them would cost more than many of its operators
    # take. They stop at its end: the control loop has the cores between two looks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return options
