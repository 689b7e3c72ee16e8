"""Reading a graph that may not be ours: refused by name before any pass touches it."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper, shape_inference

from lapa_edge.errors import BundleError

REPORT = "export the run again with this version of lapa-export"

# These sum many numbers or divide by a spread: in 16 bits they overflow or lose the small ones.
WIDE = frozenset({
    "LayerNormalization", "InstanceNormalization", "GroupNormalization", "BatchNormalization",
    "LpNormalization", "Softmax", "LogSoftmax", "ReduceMean", "ReduceSum",
    "ReduceL2", "GlobalAveragePool", "AveragePool", "CumSum", "Resize", "Constant",
    "ConstantOfShape", "Range", "Cast",
})  # fmt: skip
# These keep the precision of what they are given.
NARROW = frozenset({
    "MatMul", "Gemm", "Conv", "Add", "Sub", "Mul", "Div", "Neg", "Abs", "Pow", "Sqrt",
    "Reciprocal", "Exp", "Erf", "Gelu", "Relu", "Tanh", "Sigmoid", "Sin", "Cos", "HardSigmoid",
    "HardSwish", "Softplus", "Clip", "Min", "Max", "Where", "Equal", "Greater", "Less", "Not",
    "And", "Or", "ArgMax", "ReduceMax", "MaxPool", "GlobalMaxPool", "Concat", "Split", "Slice",
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Pad", "Gather",
    "GatherElements", "GatherND", "OneHot", "Identity", "Shape", "Dropout", "DepthToSpace",
    "SpaceToDepth", "Trilu",
})  # fmt: skip
QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear"})


def read_graph(data: bytes, name: str) -> ModelProto:
    """The graph in `data`, shapes of all its tensors inferred.

    Args:
        data: a single-file ONNX model.
        name: for messages, ``policy.onnx``.

    Raises:
        BundleError: no ONNX, an operator that no pass here knows, a shape that is not static.
    """
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (
        DecodeError, onnx.checker.ValidationError, shape_inference.InferenceError, ValueError
    ) as error:  # fmt: skip
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "damaged"
        raise BundleError(name, f"is no valid ONNX graph ({reason})", REPORT) from error
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in WIDE | NARROW | QUANTIZED:
            kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise BundleError(
                name, f"operator {kind} ({node.name or 'unnamed'}) is not one of ours", REPORT
            )
    for value in (*model.graph.input, *model.graph.output):
        _check_static(value, name)
    return model


def float_tensors(model: ModelProto) -> set[str]:
    """Names of every float32 tensor: inputs, weights, and what is computed."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    found = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    found |= {w.name for w in graph.initializer if w.data_type == TensorProto.FLOAT}
    return found


def shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Static shape by tensor name, weights included."""
    graph = model.graph
    found = {w.name: tuple(w.dims) for w in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        dims = value.type.tensor_type.shape.dim
        found[value.name] = tuple(dim.dim_value for dim in dims)
    return found


def write_graph(model: ModelProto, name: str) -> bytes:
    """The checked bytes of `model`: unused weights dropped, stale shapes inferred anew.

    The same graph gives the same bytes.
    """
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(kept)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise BundleError(name, f"does not hold in another precision ({error})", REPORT) from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _check_static(value: onnx.ValueInfoProto, name: str) -> None:
    tensor = value.type.tensor_type
    dims = [dim.dim_param or dim.dim_value or "?" for dim in tensor.shape.dim]
    if not tensor.HasField("shape") or not all(isinstance(d, int) and d > 0 for d in dims):
        kind = helper.tensor_dtype_to_string(tensor.elem_type).removeprefix("TensorProto.")
        raise BundleError(
            name,
            f"{value.name}: expected a static shape, got {kind.lower()} "
            f"[{', '.join(str(d) for d in dims)}]",
            "a robot has its cameras and one body: " + REPORT,
        )
