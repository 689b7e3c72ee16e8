"""float32 graph to int8 or fp8: Q and DQ around the trunk's products and the stem's convolutions.

Symmetric, all zero points 0, as TensorRT wants it: activations per tensor by the ranges of
`export.precision.ranges`, weights per output. Weights are stored in 8 bits. The first convolution
(raw pixels), attention's own products and the last small layers stay in float32, and so do norms,
biases and sums. fp8 has no convolutions: TensorRT knows few of them.
"""

from __future__ import annotations

from typing import Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lapa_edge.errors import BundleError
from lapa_edge.export.precision.known_graph import read_graph, write_graph
from lapa_edge.export.precision.products import (
    find_convolutions,
    find_products,
    keep_biases_apart,
    merge_siblings,
    part_convolution_biases,
)
from lapa_edge.export.precision.ranges import Feeds, measure_ranges

EightBits = Literal["int8", "fp8"]
_ENDS = {"int8": 127.0, "fp8": 448.0}  # the largest number of int8 without -128, and of E4M3
_TYPES = {"int8": TensorProto.INT8, "fp8": TensorProto.FLOAT8E4M3FN}


def find_ranges(data: bytes, name: str, feeds: Feeds) -> dict[str, float]:
    """How far every tensor to quantize reaches, by its name.

    Raises:
        BundleError: no graph of ours, or one without a product to quantize.
        DataError: activations that are not finite, or always 0.
    """
    model = _prepared(data, name)
    products, convolutions = find_products(model), find_convolutions(model)
    tensors = [node.input[0] for node in (*convolutions, *products)]
    return measure_ranges(model, [*tensors, *(node.output[0] for node in convolutions)], feeds)


def quantize_graph(data: bytes, name: str, precision: EightBits, ranges: dict[str, float]) -> bytes:
    """The graph of `data` with its products in `precision`.

    Args:
        data: the float32 graph.
        name: for messages.
        precision: int8, or fp8 (E4M3).
        ranges: of `find_ranges`, on this very graph.

    Raises:
        BundleError: no graph of ours, or ranges of another graph.
    """
    model = _prepared(data, name)
    products = find_products(model)
    convolutions = find_convolutions(model) if precision == "int8" else []
    tensors = {node.input[0] for node in (*products, *convolutions)}
    tensors |= {node.output[0] for node in convolutions}
    if missing := tensors - ranges.keys():
        raise BundleError(
            name, f"no range of {min(missing)}: they are of another graph", "calibrate again"
        )
    keep_biases_apart(model, products)
    chosen = {node.output[0] for node in (*products, *convolutions)}
    quantizer = _Quantizer(model, precision, ranges)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        quantizer.follow(node)
        if node.output[0] in chosen:
            nodes += quantizer.before(node)
        nodes.append(node)
        if node.op_type == "Conv" and node.output[0] in chosen:
            nodes += quantizer.after(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return write_graph(model, name)


def _prepared(data: bytes, name: str) -> ModelProto:
    model = read_graph(data, name)
    merge_siblings(model)
    part_convolution_biases(model)
    if not find_products(model):
        raise BundleError(name, "has no matrix product to quantize", "export it in fp16 or fp32")
    return model


class _Quantizer:
    """Writes the Q, DQ and 8-bit weights of one model."""

    def __init__(self, model: ModelProto, precision: EightBits, ranges: dict[str, float]) -> None:
        self.graph, self.precision, self.ranges = model.graph, precision, ranges
        self.weights = {w.name: w for w in model.graph.initializer}
        self.done: set[str] = set()
        self.renamed: dict[str, str] = {}

    def before(self, node: NodeProto) -> list[NodeProto]:
        """The nodes to put before `node`, whose inputs are redirected to them."""
        source, weight = node.input[:2]
        axis = 0 if node.op_type == "Conv" else 1  # where a weight's outputs are
        node.input[0], activation = f"{source}.dequantized", self._activation(source)
        node.input[1], matrix = f"{weight}.dequantized", self._weight(weight, axis)
        return activation + matrix

    def after(self, node: NodeProto) -> list[NodeProto]:
        """The nodes to put after a convolution: ONNX Runtime has int8 kernels only between both."""
        self.renamed[node.output[0]] = f"{node.output[0]}.dequantized"
        return self._activation(node.output[0])

    def follow(self, node: NodeProto) -> None:
        """Redirect what `node` reads of a convolution to its quantized form."""
        for i, name in enumerate(node.input):
            node.input[i] = self.renamed.get(name, name)

    def _activation(self, source: str) -> list[NodeProto]:
        if source in self.done:
            return []
        self.done.add(source)
        scale = np.float32(self.ranges[source] / _ENDS[self.precision])
        return self._pair(source, scale, None)

    def _weight(self, weight: str, axis: int) -> list[NodeProto]:
        if weight in self.done:
            return []
        self.done.add(weight)
        values = numpy_helper.to_array(self.weights[weight])
        others = tuple(i for i in range(values.ndim) if i != axis)
        largest = np.abs(values).max(axis=others, keepdims=True)
        # An output of zeros has no scale of its own; any will do.
        scales = (np.where(largest > 0, largest, 1.0) / _ENDS[self.precision]).astype(np.float32)
        scaled = np.divide(values, scales, dtype=np.float32)
        self._store(f"{weight}.q", _rounded(scaled, self.precision), values.shape)
        return self._pair(weight, scales.ravel(), axis)[1:]  # stored quantized: no Q

    def _pair(
        self, name: str, scale: NDArray[np.float32] | np.float32, axis: int | None
    ) -> list[NodeProto]:
        """Q of `name` to ``.q``, and DQ of that to ``.dequantized``."""
        shape = np.shape(scale)
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(scale), f"{name}.scale"))
        self._store(f"{name}.zero", np.zeros(shape, np.uint8), shape)
        scaled = [f"{name}.scale", f"{name}.zero"]
        quantize = helper.make_node("QuantizeLinear", [name, *scaled], [f"{name}.q"])
        dequantize = helper.make_node(
            "DequantizeLinear", [f"{name}.q", *scaled], [f"{name}.dequantized"]
        )
        for node in (quantize, dequantize):
            node.name = node.output[0]
            if axis is not None:
                node.attribute.append(helper.make_attribute("axis", axis))
        return [quantize, dequantize]

    def _store(self, name: str, values: NDArray[np.generic], shape: tuple[int, ...]) -> None:
        # Written raw: the same bytes whatever version of ONNX knows the type.
        kind, raw = _TYPES[self.precision], values.tobytes()
        self.graph.initializer.append(helper.make_tensor(name, kind, shape, raw, raw=True))


def _rounded(values: NDArray[np.float32], precision: EightBits) -> NDArray[np.generic]:
    """`values`, already scaled, as 8-bit numbers; none is beyond the end."""
    end = _ENDS[precision]
    clipped = np.clip(values, -end, end)
    if precision == "int8":
        return np.rint(clipped).astype(np.int8)
    return clipped.astype(ml_dtypes.float8_e4m3fn)
