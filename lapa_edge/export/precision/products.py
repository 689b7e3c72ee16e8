"""Which products and convolutions are worth 8 bits, and the shape of graph in which they are fast.

Rewrites that change no number but make each of them one int8 kernel in ONNX Runtime, which fuses
Q, DQ and MatMul only where one product alone reads the DQ, and none that has a bias in float32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lapa_edge.export.precision.known_graph import shapes

# A product of fewer rows costs its weights' reading: instruction, context, and the last layers,
# whose rounding no later layer would average out.
LEAST_ROWS = 16
# Cameras give 3 channels each, whose first convolution costs little and sees the finest detail.
LEAST_CHANNELS = 16


def find_products(model: ModelProto) -> list[NodeProto]:
    """Every MatMul of a constant matrix with at least `LEAST_ROWS` rows, in the graph's order."""
    weights = {w.name for w in model.graph.initializer if w.data_type == TensorProto.FLOAT}
    sizes = shapes(model)
    return [
        node
        for node in model.graph.node
        if node.op_type == "MatMul"
        and node.input[1] in weights
        and len(sizes[node.input[1]]) == 2
        and int(np.prod(sizes[node.input[0]][:-1])) >= LEAST_ROWS
    ]


def find_convolutions(model: ModelProto) -> list[NodeProto]:
    """Every Conv of constant weights but those that see raw pixels, in the graph's order."""
    weights = {w.name: w.dims for w in model.graph.initializer if w.data_type == TensorProto.FLOAT}
    return [
        node
        for node in model.graph.node
        if node.op_type == "Conv"
        and node.input[1] in weights
        and weights[node.input[1]][1] >= LEAST_CHANNELS
    ]


def part_convolution_biases(model: ModelProto) -> None:
    """The bias of every convolution to quantize becomes an Add after it."""
    chosen = {node.output[0] for node in find_convolutions(model)}
    weights = {w.name: w for w in model.graph.initializer}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        if not (chosen & set(node.output) and len(node.input) == 3):
            continue
        values = numpy_helper.to_array(weights[node.input.pop()])
        output, node.output[0] = node.output[0], f"{node.output[0]}.product"
        bias = numpy_helper.from_array(values.reshape(1, -1, 1, 1), f"{output}.bias")
        model.graph.initializer.append(bias)
        nodes.append(helper.make_node("Add", [node.output[0], bias.name], [output], name=bias.name))
    _replace(model, nodes)


def merge_siblings(model: ModelProto) -> None:
    """Products of the same tensor become one, and a Split: query, key and value in one kernel."""
    readers = defaultdict(list)
    for node in find_products(model):
        readers[node.input[0]].append(node)
    weights = {w.name: w for w in model.graph.initializer}
    nodes = list(model.graph.node)
    for source, siblings in readers.items():
        if len(siblings) < 2:
            continue
        parts = [numpy_helper.to_array(weights[node.input[1]]) for node in siblings]
        name = "+".join(node.input[1] for node in siblings)
        whole = numpy_helper.from_array(np.concatenate(parts, axis=1), name)
        widths = np.array([part.shape[1] for part in parts], np.int64)
        lengths = numpy_helper.from_array(widths, f"{name}.widths")
        model.graph.initializer.extend([whole, lengths])
        outputs = [node.output[0] for node in siblings]
        at = nodes.index(siblings[0])
        nodes = [node for node in nodes if node not in siblings]
        nodes[at:at] = [
            helper.make_node("MatMul", [source, name], [f"{name}.all"], name=f"{name}.product"),
            helper.make_node(
                "Split", [f"{name}.all", lengths.name], outputs, name=f"{name}.split", axis=-1
            ),
        ]
    _replace(model, nodes)


def keep_biases_apart(model: ModelProto, products: Iterable[NodeProto]) -> None:
    """Biases added to `products` get the products' rank: such an Add is not drawn into a Gemm."""
    weights = {w.name: w for w in model.graph.initializer}
    outputs, sizes = {node.output[0] for node in products}, shapes(model)
    for node in model.graph.node:
        if node.op_type != "Add" or not outputs & set(node.input):
            continue
        for i, name in enumerate(node.input):
            if name in weights and len(weights[name].dims) == 1:
                rank = len(sizes[node.output[0]])
                values = numpy_helper.to_array(weights[name]).reshape((1,) * (rank - 1) + (-1,))
                apart = numpy_helper.from_array(values, f"{name}.{node.output[0]}")
                model.graph.initializer.append(apart)
                node.input[i] = apart.name


def _replace(model: ModelProto, nodes: list[NodeProto]) -> None:
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
