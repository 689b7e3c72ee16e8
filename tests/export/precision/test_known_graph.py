"""Graphs that are not ours, or not as a robot needs them, are refused by name."""

import onnx
import pytest
from onnx import TensorProto, helper

from lapa_edge.errors import BundleError
from lapa_edge.export.precision.known_graph import read_graph, shapes, write_graph


def graph(op="Relu", shape=(1, 4), domain="", opset=20):
    node = helper.make_node(op, ["x"], ["y"], name="theirs", domain=domain)
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node], "g", [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)]
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(body, ir_version=10, opset_imports=opsets).SerializeToString()


def test_our_graph_reads_with_every_shape_and_writes_the_same_bytes_twice(policy):
    model = read_graph(policy, "policy.onnx")
    assert shapes(model)["image"] == (1, 3, 32, 32)
    assert all(shapes(model)[name] for node in model.graph.node for name in node.output)
    again = read_graph(policy, "policy.onnx")
    assert write_graph(model, "policy.onnx") == write_graph(again, "policy.onnx")


@pytest.mark.parametrize("data", [b"", b"random bytes, no graph", b"\x00" * 64])
def test_bytes_that_are_no_onnx_are_refused(data):
    with pytest.raises(BundleError, match=r"policy\.onnx: is no valid ONNX graph"):
        read_graph(data, "policy.onnx")


def test_a_truncated_graph_is_refused(policy):
    with pytest.raises(BundleError, match="is no valid ONNX graph"):
        read_graph(policy[: len(policy) // 2], "policy.onnx")


@pytest.mark.parametrize(
    ("op", "domain", "named"),
    [("Gelu", "com.microsoft", r"com\.microsoft\.Gelu"), ("Bernoulli", "", "Bernoulli")],
)
def test_an_operator_that_is_not_ours_is_named(op, domain, named):
    with pytest.raises(BundleError, match=rf"operator {named} \(theirs\) is not one of ours"):
        read_graph(graph(op, domain=domain), "policy.onnx")


@pytest.mark.parametrize("shape", [("batch", 4), (None, 4), (0, 4)])
def test_a_dynamic_shape_is_refused_with_the_input_that_has_it(shape):
    with pytest.raises(BundleError, match=r"x: expected a static shape, got float \[.*, 4\]"):
        read_graph(graph(shape=shape), "policy.onnx")


def test_a_rewritten_graph_drops_the_weights_that_nothing_reads(policy):
    model = read_graph(policy, "policy.onnx")
    spare = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(model.graph.initializer[0]))
    spare.name = "spare"
    model.graph.initializer.append(spare)
    written = onnx.load_model_from_string(write_graph(model, "policy.onnx"))
    assert "spare" not in {weight.name for weight in written.graph.initializer}
