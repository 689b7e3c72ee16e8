"""The action head in ONNX Runtime: float32, and its own two int8 forms; one thread, io-binding.

Imports: onnx, onnxruntime.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from lapa_edge.runtime.reference.arrays import Float32

OPSET, IR_VERSION = 17, 9


def build_onnx_head(weights: Mapping[str, Float32]) -> onnx.ModelProto:
    """The graph ``x`` [1, inputs] to ``y`` [1, outputs]."""
    nodes: list[onnx.NodeProto] = []
    width, inputs = weights["input.weight"].shape
    outputs = len(weights["output.weight"])

    def add(operation: str, *inputs: str, **attributes: Any) -> str:
        output = "y" if inputs[1:2] == ("output.weight",) else f"{operation}_{len(nodes)}"
        nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def dense(layer: str, x: str) -> str:
        return add("Gemm", x, f"{layer}.weight", f"{layer}.bias", transB=1)

    hidden, block = add("Relu", dense("input", "x")), 0
    while f"blocks.{block}.up.weight" in weights:
        raised = dense(f"blocks.{block}.up", hidden)
        if f"blocks.{block}.gate.weight" in weights:
            raised = add("Mul", raised, add("Relu", dense(f"blocks.{block}.gate", hidden)))
        else:
            raised = add("Relu", raised)
        hidden = add("Add", hidden, dense(f"blocks.{block}.down", raised))
        block += 1
    dense("output", hidden)
    assert width == len(weights["input.bias"])
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, inputs])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, outputs])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)


def quantize_dynamically(model: onnx.ModelProto) -> onnx.ModelProto:
    """int8 weights; activations are measured and quantized at every call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def quantize(source: Path, target: Path) -> None:
        quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)

    return _through_files(model, quantize)


def quantize_statically(model: onnx.ModelProto, calibration: Float32) -> onnx.ModelProto:
    """int8 weights; uint8 activations whose ranges `calibration` [b, inputs] fixes. QDQ form."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Rows(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows: Iterator[Float32] = iter(calibration)

        def get_next(self) -> dict[str, Float32] | None:
            row = next(self.rows, None)
            return None if row is None else {"x": row[None]}

    def quantize(source: Path, target: Path) -> None:
        quantize_static(
            source, target, Rows(),
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip

    return _through_files(model, quantize)


def bind_onnx(model: onnx.ModelProto, x: Float32, y: Float32) -> Callable[[], object]:
    """A call that runs the model from `x` [1, inputs] into `y` [1, outputs], without copies."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    return lambda: session.run_with_iobinding(binding)


def _through_files(model: onnx.ModelProto, change: Callable[[Path, Path], None]) -> onnx.ModelProto:
    logging.getLogger().setLevel(logging.ERROR)  # it recommends a step that changes nothing here
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "head.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        change(source, target)
        return onnx.load(target)
