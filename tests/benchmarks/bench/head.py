"""The action head against ONNX Runtime, numpy and torch. Imports: numpy, onnxruntime, torch."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from bench.contest import Claim, Contest
from bench.native import bind_head
from bench.onnx_heads import bind_onnx, build_onnx_head, quantize_dynamically, quantize_statically
from bench.probe import Probe
from bench.tables import show_size
from bench.targets import HeadTarget
from lapa_edge.runtime.reference.arrays import Float32

T: TypeAlias = Any  # numpy's arrays or torch's tensors

NAMED = "ONNX Runtime f32"  # the alternative that the claims name
SMALLEST_RANGE = 1e-6  # of an input that never was anything but 0
WEIGHT_BYTES = {"f32": 4, "bf16": 2, "int8": 1}


def build_head_contest(
    target: HeadTarget, probe: Probe, rng: np.random.Generator, *, compiled: bool = False
) -> Contest:
    """Every precision of ours, every alternative, and the floor of each precision.

    Args:
        target: the shape and what is promised.
        probe: of this machine.
        rng: draws weights and input.
        compiled: also torch.compile, which needs a compiler and a minute.
    """
    weights = draw_weights(target, rng)
    rows = rng.standard_normal((256, target.input), np.float32)
    x, ranges = rows[:1].copy(), measure_ranges(weights, rows)
    exact = forward_numpy({name: w.astype(np.float64) for name, w in weights.items()}, x[0])
    scale = np.abs(exact).max()
    contest = Contest("head", target.title, lambda y: float(np.abs(y - exact).max() / scale))

    for precision in target.must:
        y = np.zeros(target.output, np.float32)
        step = bind_head(weights, precision, ranges, x[0], y)
        contest.add_ours(precision, step, y, precision)
        size = target.products * WEIGHT_BYTES[precision]
        floor = f"read {show_size(size)}"
        contest.add_floor(floor, probe.read(size))
        must, aim = target.must[precision], target.aim.get(precision)
        contest.claims.append(Claim(precision, (NAMED,), floor, must, aim))

    model = build_onnx_head(weights)
    for name, peer, tolerance in (
        (NAMED, model, "f32"),
        ("ONNX Runtime int8, dynamic", quantize_dynamically(model), "int8"),
        ("ONNX Runtime int8, static", quantize_statically(model, rows), "int8"),
    ):
        into = np.zeros((1, target.output), np.float32)
        contest.add_peer(name, bind_onnx(peer, x, into), tolerance, into[0])
    contest.add_peer("numpy", lambda: forward_numpy(weights, x[0]), "f32")
    torch_head = build_torch_head(weights, x)
    contest.add_peer("torch", torch_head, "f32")
    if compiled:
        contest.add_peer("torch.compile", torch.compile(torch_head), "f32")
    return contest


def draw_weights(target: HeadTarget, rng: np.random.Generator) -> dict[str, Float32]:
    """By name, in torch's [outputs, inputs] layout, scaled so that activations keep their size."""
    layers = {"input": (target.width, target.input)}
    parts = ("up", "gate", "down") if target.gated else ("up", "down")
    for block in range(target.blocks):
        layers |= {f"blocks.{block}.{part}": (target.width, target.width) for part in parts}
    layers["output"] = (target.output, target.width)
    weights = {}
    for name, (rows, columns) in layers.items():
        weight = rng.standard_normal((rows, columns), np.float32)
        weights[f"{name}.weight"] = weight * np.float32(columns**-0.5)
        weights[f"{name}.bias"] = rng.standard_normal(rows, np.float32) * np.float32(0.1)
    return weights


def forward_numpy(weights: Mapping[str, Float32], x: Float32) -> Float32:
    """``x`` [inputs] to [outputs], in the weights' dtype."""

    def dense(layer: str, x: Float32) -> Float32:
        return weights[f"{layer}.weight"] @ x + weights[f"{layer}.bias"]

    return forward(weights, x, dense, lambda x: np.maximum(x, 0))


def measure_ranges(weights: Mapping[str, Float32], rows: Float32) -> dict[str, Float32]:
    """By layer, the largest magnitude of each of its inputs over `rows` [b, inputs]."""
    ranges = {}

    def dense(layer: str, x: Float32) -> Float32:
        ranges[layer] = np.maximum(np.abs(x).max(axis=0), SMALLEST_RANGE)
        return x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]

    forward(weights, rows, dense, lambda x: np.maximum(x, 0))
    return ranges


def build_torch_head(weights: Mapping[str, Float32], x: Float32) -> Callable[[], torch.Tensor]:
    """``x`` [1, inputs] to [1, outputs], eager, without gradients."""
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    given = torch.from_numpy(x)

    def dense(layer: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, tensors[f"{layer}.weight"], tensors[f"{layer}.bias"])

    return lambda: forward(tensors, given, dense, torch.relu)


def forward(names: Container[str], x: T, dense: Callable[[str, T], T], relu: Callable[[T], T]) -> T:
    """The head in any library: `dense` applies a layer, `names` say which there are."""
    hidden, block = relu(dense("input", x)), 0
    while f"blocks.{block}.up.weight" in names:
        raised = dense(f"blocks.{block}.up", hidden)
        if f"blocks.{block}.gate.weight" in names:
            raised = raised * relu(dense(f"blocks.{block}.gate", hidden))
        else:
            raised = relu(raised)
        hidden = hidden + dense(f"blocks.{block}.down", raised)
        block += 1
    return dense("output", hidden)
