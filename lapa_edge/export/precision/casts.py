"""float32 graph to fp16 or bf16: casts at the borders, weights stored narrow, norms kept wide.

Inputs and outputs stay float32, so that any precision binds alike. Weights that only narrow layers
read are stored in 16 bits. A layer of `known_graph.WIDE` is fed float32, and its answer goes back
to 16 bits where a narrow layer reads it: sums and spreads see no rounding but their input's.
"""

from __future__ import annotations

from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lapa_edge.errors import DataError
from lapa_edge.export.precision.known_graph import WIDE, float_tensors, read_graph, write_graph

SixteenBits = Literal["fp16", "bf16"]
_TYPES = {
    "fp16": (TensorProto.FLOAT16, np.dtype(np.float16)),
    "bf16": (TensorProto.BFLOAT16, np.dtype(ml_dtypes.bfloat16)),
}
_ENDS = {"fp16": 65504.0, "bf16": 3.3895313892515355e38}


def cast_graph(data: bytes, name: str, precision: SixteenBits) -> bytes:
    """The graph of `data` in 16 bits.

    Raises:
        BundleError: no graph of ours; see `read_graph`.
        DataError: a weight beyond what the precision can hold.
    """
    model = read_graph(data, name)
    return write_graph(_Casting(model, precision).run(), name)


class _Casting:
    """One pass over the nodes, in their order; each tensor is cast at most once."""

    def __init__(self, model: ModelProto, precision: SixteenBits) -> None:
        self.model, self.precision = model, precision
        self.narrow, self.dtype = _TYPES[precision]
        self.typename = "tensor(float16)" if precision == "fp16" else "tensor(bfloat16)"
        self.opset = next(x.version for x in model.opset_import if x.domain in ("", "ai.onnx"))
        self.floats = float_tensors(model)
        self.weights = {weight.name: weight for weight in model.graph.initializer}
        self.native = {value.name: TensorProto.FLOAT for value in model.graph.input}
        self.cast: dict[tuple[str, int], str] = {}
        self.nodes: list[NodeProto] = []

    def run(self) -> ModelProto:
        graph = self.model.graph
        for node in graph.node:
            kind = TensorProto.FLOAT if self._is_wide(node) else self.narrow
            for i, name in enumerate(node.input):
                if name in self.floats:
                    node.input[i] = self._as(name, kind)
            for name in node.output:
                if name in self.floats:
                    self.native[name] = kind
            self.nodes.append(node)
        for output in graph.output:
            self._restore(output.name)
        del graph.node[:]
        graph.node.extend(self.nodes)
        return self.model

    def _is_wide(self, node: NodeProto) -> bool:
        """Sums and norms by choice; in bf16 also what ONNX only defines for fp16 (Conv does)."""
        schema = onnx.defs.get_schema(node.op_type, self.opset)
        known = {kind for types in schema.type_constraints for kind in types.allowed_type_strs}
        return node.op_type in WIDE or self.typename not in known

    def _as(self, name: str, kind: int) -> str:
        """The name under which tensor `name` is had as `kind`."""
        if name in self.weights:
            return name if kind == TensorProto.FLOAT else self._narrow_weight(name)
        if self.native[name] == kind:
            return name
        if (name, kind) not in self.cast:
            target = f"{name}.{'fp32' if kind == TensorProto.FLOAT else self.precision}"
            self.nodes.append(helper.make_node("Cast", [name], [target], name=target, to=kind))
            self.cast[name, kind] = target
        return self.cast[name, kind]

    def _narrow_weight(self, name: str) -> str:
        target = f"{name}.{self.precision}"
        if (name, self.narrow) not in self.cast:
            values = numpy_helper.to_array(self.weights[name])
            largest = _ENDS[self.precision]
            if values.size and (found := float(np.abs(values).max())) > largest:
                raise DataError(
                    f"weight {name}",
                    f"{self.precision} ends at {largest:g}, got {found:g}",
                    "export in bf16 or fp32",
                )
            # Written raw: the same bytes whatever version of ONNX knows the type.
            raw = values.astype(self.dtype).tobytes()
            weight = helper.make_tensor(target, self.narrow, values.shape, raw, raw=True)
            self.model.graph.initializer.append(weight)
            self.cast[name, self.narrow] = target
        return target

    def _restore(self, output: str) -> None:
        """Give a float output its name back, as float32."""
        if output not in self.floats or self.native[output] == TensorProto.FLOAT:
            return
        narrow = f"{output}.{self.precision}"
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == output:
                        names[i] = narrow
        self.nodes.append(
            helper.make_node("Cast", [narrow], [output], name=output, to=TensorProto.FLOAT)
        )
