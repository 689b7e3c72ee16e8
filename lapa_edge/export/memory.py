"""How much memory an engine will take, said before an hour is spent on building it.

Read off the graph: its weights, and the most that its activations occupy at one moment when each
is kept from the node that writes it to the last that reads it. TensorRT fuses layers and keeps
less; what it adds are the figures below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, helper

from lapa_edge.errors import ConfigError
from lapa_edge.export.board import Board
from lapa_edge.export.precision.known_graph import shapes

GIB = 2.0**30
# Estimates, none measured on a board. First, a CUDA context with TensorRT's kernels loaded.
CONTEXT_GIB = 0.6
# While building, the weights are there as ONNX, in the network, in the candidate and in the plan.
COPIES_WHILE_BUILDING = 4
# What a Jetson's system, the camera and ROS 2 leave of a memory that the CPU shares.
SHARED_FOR_THE_GPU = 0.6


@dataclass(frozen=True)
class Memory:
    """Bytes, predicted."""

    weights: int
    activations: int

    @property
    def building_gib(self) -> float:
        """While the engine is built."""
        held = COPIES_WHILE_BUILDING * self.weights + 2 * self.activations
        return CONTEXT_GIB + held / GIB

    @property
    def running_gib(self) -> float:
        """While it runs."""
        return CONTEXT_GIB + (self.weights + self.activations) / GIB


def predict_memory(model: ModelProto) -> Memory:
    """Of one graph whose shapes are static and inferred (`known_graph.read_graph`)."""
    graph, sizes = model.graph, shapes(model)
    width = {
        v.name: helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type).itemsize
        for v in (*graph.input, *graph.output, *graph.value_info)
    }
    weights = {w.name for w in graph.initializer}
    held = {name: int(np.prod(sizes[name])) * width[name] for name in width if name not in weights}
    last = {name: i for i, node in enumerate(graph.node) for name in node.input}
    alive = most = sum(held.get(value.name, 0) for value in graph.input)
    for i, node in enumerate(graph.node):
        alive += sum(held.get(name, 0) for name in node.output)
        most = max(most, alive)
        alive -= sum(held.get(name, 0) for name in set(node.input) if last[name] == i)
    return Memory(weights=sum(_bytes(w) for w in graph.initializer), activations=most)


def check_memory(memory: Memory, board: Board, thing: str) -> str:
    """What `thing` will take on `board`, in a line.

    Raises:
        ConfigError: more than the board has for it.
    """
    share = SHARED_FOR_THE_GPU if board.shared_memory else 1.0
    usable = share * board.memory_gb * 1e9 / GIB
    line = (
        f"{thing}: about {memory.building_gib:.1f} GiB while building and "
        f"{memory.running_gib:.1f} GiB on the robot, of {usable:.1f} GiB"
    )
    if memory.building_gib > usable:
        raise ConfigError(
            f"board {board.name}",
            f"would not build {line}",
            "use --precision fp16 or int8, or a smaller preset",
        )
    return line


def _bytes(weight: object) -> int:
    dims = weight.dims  # type: ignore[attr-defined]
    kind = weight.data_type  # type: ignore[attr-defined]
    return int(np.prod(dims)) * helper.tensor_dtype_to_np_dtype(kind).itemsize
