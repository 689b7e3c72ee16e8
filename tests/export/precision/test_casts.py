"""16 bits in the graph: narrow products, wide norms, the same answers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper, shape_inference

from lapa_edge.errors import DataError
from lapa_edge.export.precision.casts import cast_graph
from lapa_edge.export.precision.known_graph import WIDE

KINDS = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def kinds_of(model):
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def test_fp16_answers_as_float32_does_to_a_few_thousandths(policy, feeds, answers):
    narrow, whole = (
        answers(cast_graph(policy, "policy.onnx", "fp16"), feeds),
        answers(policy, feeds),
    )
    for name, expected in whole.items():
        assert narrow[name].dtype == np.float32
        assert 0 < np.abs(narrow[name] - expected).max() < 5e-3 * np.abs(expected).max()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_products_are_narrow_and_norms_and_softmax_wide(policy, precision):
    model = onnx.load_model_from_string(cast_graph(policy, "policy.onnx", precision))
    kinds = kinds_of(model)
    of = {node.op_type: kinds[node.output[0]] for node in model.graph.node}
    assert of["MatMul"] == of["Add"] == of["Gelu"] == KINDS[precision]
    assert {"LayerNormalization", "InstanceNormalization", "Softmax"} <= of.keys()
    for op in WIDE & of.keys() - {"Cast"}:
        assert of[op] == TensorProto.FLOAT, op


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_inputs_and_outputs_keep_their_names_and_stay_float32(policy, precision):
    model = onnx.load_model_from_string(cast_graph(policy, "policy.onnx", precision))
    ours = onnx.load_model_from_string(policy)
    assert model.graph.input == ours.graph.input
    assert model.graph.output == ours.graph.output


def test_the_weights_take_half_the_room(policy):
    assert len(cast_graph(policy, "policy.onnx", "fp16")) < 0.75 * len(policy)


def test_a_weight_beyond_fp16_is_named_and_fits_bf16(policy):
    model = onnx.load_model_from_string(policy)
    name = next(
        n.input[1] for n in model.graph.node if n.op_type == "MatMul" and ".q" not in n.name
    )
    weight = next(w for w in model.graph.initializer if w.name == name)
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] = 70000.0
    weight.CopyFrom(numpy_helper.from_array(values, name))
    large = model.SerializeToString()
    with pytest.raises(DataError, match=r"fp16 ends at 65504, got 70000; export in bf16"):
        cast_graph(large, "policy.onnx", "fp16")
    assert cast_graph(large, "policy.onnx", "bf16")
