"""What every backend is: named arrays in, named arrays out, and where the time went.

onnx_graph.py       ONNX Runtime on the CPU, or through its CUDA or TensorRT provider
tensorrt_graph.py   an engine of TensorRT or TensorRT for RTX
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import RuntimeInputError

Stage = Literal["host_to_device", "enqueue", "gpu", "device_to_host", "cpu"]
"""A part of one run."""

CPU_STAGES: tuple[Stage, ...] = ("cpu",)
GPU_STAGES: tuple[Stage, ...] = ("host_to_device", "enqueue", "gpu", "device_to_host")

Arrays: TypeAlias = dict[str, NDArray[np.generic]]
Shapes: TypeAlias = dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]


@dataclass(frozen=True)
class LayerTime:
    """What one layer took.

    p50_ms: median over runs; gflop: multiplications and additions in 1e9, None where the backend
    does not tell.
    """

    name: str
    kind: str
    p50_ms: float
    gflop: float | None = None


class Graph(Protocol):
    """One graph of static shapes, loaded where it runs; one thread at a time."""

    def run(self, **arrays: NDArray[np.generic]) -> Arrays:
        """Run the graph once; shapes and dtypes are those it was exported with.

        Raises:
            RuntimeInputError: an input is missing, extra, or of another shape or dtype.
        """


class StagedGraph(Graph, Protocol):
    """A graph that tells where its time went."""

    name: str
    """What runs it, in words."""
    inputs: Shapes
    outputs: Shapes
    stages: tuple[Stage, ...]
    """The parts that `run_staged` tells apart, in order."""

    def run_staged(self, **arrays: NDArray[np.generic]) -> tuple[Arrays, dict[Stage, int]]:
        """The same as `run`, and the nanoseconds of each stage."""

    def time_layers(self, runs: int, **arrays: NDArray[np.generic]) -> Sequence[LayerTime]:
        """Each layer's time over `runs`, the slowest first; measuring it slows the run down."""


def check_arrays(inputs: Shapes, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Raise `RuntimeInputError` unless `arrays` are exactly `inputs`."""
    if arrays.keys() != inputs.keys():
        raise RuntimeInputError("graph inputs", f"expected {sorted(inputs)}, got {sorted(arrays)}")
    for name, (shape, dtype) in inputs.items():
        got = arrays[name]
        if got.shape != shape or got.dtype != dtype:
            raise RuntimeInputError(
                name, f"expected {dtype} {list(shape)}, got {got.dtype} {list(got.shape)}"
            )
