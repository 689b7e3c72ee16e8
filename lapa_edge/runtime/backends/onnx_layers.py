"""ONNX Runtime's profile, read: what each layer took, and how much arithmetic it is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from lapa_edge.runtime.backends.graph import LayerTime


def read_layers(events: Iterable[dict[str, Any]]) -> list[LayerTime]:
    """The layers in a profile's events, the slowest first; each one's first run is left out."""
    took: dict[tuple[str, str], list[int]] = defaultdict(list)
    gflop: dict[tuple[str, str], float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = event["name"].removesuffix("_kernel_time"), event["args"]["op_name"]
            took[key].append(event["dur"])  # microseconds
            gflop[key] = count_gflop(event["args"])
    layers = [
        LayerTime(*key, float(np.median(times[1:] or times)) / 1e3, gflop[key])
        for key, times in took.items()
    ]
    return sorted(layers, key=lambda layer: -layer.p50_ms)


def count_gflop(args: dict[str, Any]) -> float:
    """1e9 multiplications and additions of one node; 0 for what only moves or maps its input.

    `args` are those of a profile's event, with the shapes of inputs and outputs. A product whose
    kernel packed its weights no longer lists them: the row it reads tells their height.
    """
    kind = args["op_name"]
    inputs, outputs = (
        [list(shape) for tensor in args.get(key, []) for shape in tensor.values()]
        for key in ("input_type_shape", "output_type_shape")
    )
    if not inputs or not outputs or not inputs[0]:
        return 0.0
    if "MatMul" in kind or "Gemm" in kind:
        return 2e-9 * math.prod(outputs[0]) * inputs[0][-1]
    if "Conv" in kind:
        weights = next((shape for shape in inputs[1:] if len(shape) > 2), [0])
        return 2e-9 * math.prod(outputs[0]) * math.prod(weights[1:] or [0])
    return 0.0
