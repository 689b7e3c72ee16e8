"""What TensorRT 10.3's parser reads, of the operators that our graphs may hold.

Source: onnx-tensorrt, docs/operators.md, branch 10.1-GA (commit 96e7811): opsets 9 to 20, and for
each operator the types it takes. 10.3 (JetPack 6.2) is later, and reads what 10.1 reads. Types are
those of ONNX, "quantized" is INT8, FP8 and INT4. Where the source limits an operator further (an
input that must be constant, a zero point that must be 0), so does `why_not_read`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper, shape_inference

OPSETS = range(9, 21)

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}
_WHOLE = {TensorProto.INT32, TensorProto.INT64}
_TRUTH = {TensorProto.BOOL}
_QUANTIZED = {TensorProto.INT8, TensorProto.FLOAT8E4M3FN, TensorProto.INT4}

_TABLE = [
    (_FLOATS, """
        AveragePool BatchNormalization Clip Conv Cos CumSum Dropout Erf Exp Gemm GlobalAveragePool
        GlobalMaxPool GroupNormalization HardSigmoid HardSwish InstanceNormalization
        LayerNormalization LogSoftmax LpNormalization MatMul MaxPool Pow QuantizeLinear Reciprocal
        Resize Sigmoid Sin Softmax Softplus Sqrt Tanh"""),
    (_FLOATS | _WHOLE, """
        Abs Add ArgMax DepthToSpace Div Equal Gelu Greater Less Max Min Mul Neg Pad Range ReduceL2
        ReduceMax ReduceMean ReduceSum Relu SpaceToDepth Sub"""),
    (_FLOATS | _WHOLE | _TRUTH, """
        Concat Constant ConstantOfShape Expand Flatten Gather GatherElements GatherND Identity
        OneHot Reshape Shape Slice Split Squeeze Tile Transpose Trilu Unsqueeze Where"""),
    (_FLOATS | _WHOLE | _TRUTH | {TensorProto.UINT8}, "Cast"),
    (_TRUTH, "And Not Or"),
    (_QUANTIZED, "DequantizeLinear"),
]  # fmt: skip
# By operator, the types of its first input: the others are weights, indices, shapes or scales.
OPERATORS = {name: types for types, names in _TABLE for name in names.split()}

# Inputs, by place, that must be known while building.
_CONSTANT = {
    "ReduceL2": 1, "ReduceMax": 1, "ReduceMean": 1, "ReduceSum": 1, "Squeeze": 1, "Unsqueeze": 1,
    "CumSum": 1, "OneHot": 1, "Slice": 3, "Pad": 3,
}  # fmt: skip


def why_not_read(model: ModelProto) -> list[str]:
    """Why TensorRT 10.3 would not read `model`; nothing where it would."""
    found = [
        f"opset {x.version}"
        for x in model.opset_import
        if x.domain not in ("", "ai.onnx") or x.version not in OPSETS
    ]
    types, constant = _types(model), _constants(model)
    for node in model.graph.node:
        name = f"{node.op_type} {node.name}"
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            found.append(f"{name}: unknown")
            continue
        first = types.get(node.input[0]) if node.input else None
        if first is not None and first not in OPERATORS[node.op_type]:
            found.append(f"{name}: takes no {TensorProto.DataType.Name(first)}")
        place = _CONSTANT.get(node.op_type)
        if place is not None and len(node.input) > place and node.input[place] not in constant:
            found.append(f"{name}: input {place} must be constant")
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2:
            zero = constant.get(node.input[2])
            if zero is None or zero.astype(np.float32).any():
                found.append(f"{name}: its zero point must be 0")
        if node.op_type == "LayerNormalization" and len(node.output) > 1:
            found.append(f"{name}: only the first output")
    return found


def _types(model: ModelProto) -> dict[str, int]:
    graph = shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return found | {weight.name: weight.data_type for weight in graph.initializer}


def _constants(model: ModelProto) -> dict[str, np.ndarray]:
    found = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            value = onnx.helper.get_attribute_value(node.attribute[0])
            found[node.output[0]] = (
                numpy_helper.to_array(value)
                if isinstance(value, TensorProto)
                else np.asarray(value)
            )
    return found
