"""ONNX Runtime behind its small class."""

import numpy as np
import pytest
from bundles import text_graph, tiny_spec
from onnx import TensorProto, helper

from lapa_edge.errors import BundleError, RuntimeInputError
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph

IDS = np.array([[2, 3, 0, 0, 0, 0]])


@pytest.fixture
def graph(tmp_path):
    """``ids int64 [1, 6] -> text f32 [1, 5]``."""
    path = tmp_path / "text.onnx"
    model = text_graph(np.random.default_rng(0), tiny_spec(), vocabulary_size=12)
    path.write_bytes(model.SerializeToString())
    return OnnxGraph(path)


def test_arrays_go_by_name(graph):
    assert graph.inputs == {"ids": ((1, 6), np.dtype(np.int64))}
    assert graph.outputs == {"text": ((1, 5), np.dtype(np.float32))}
    text = graph.run(ids=IDS)["text"]
    assert (text.shape, text.dtype) == ((1, 5), np.float32)


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [
        (IDS.astype(np.int32), r"ids: expected int64 \[1, 6\], got int32 \[1, 6\]"),
        (IDS[:, :5], r"ids: expected int64 \[1, 6\], got int64 \[1, 5\]"),
        (IDS[0], r"got int64 \[6\]"),
    ],
)
def test_another_dtype_or_shape_is_refused(graph, ids, complaint):
    with pytest.raises(RuntimeInputError, match=complaint):
        graph.run(ids=ids)


def test_missing_and_extra_inputs_are_refused(graph):
    with pytest.raises(RuntimeInputError, match=r"expected \['ids'\], got \[\]"):
        graph.run()
    with pytest.raises(RuntimeInputError, match=r"got \['ids', 'more'\]"):
        graph.run(ids=IDS, more=IDS)


def test_an_id_outside_the_vocabulary_is_the_graphs_error_not_a_crash(graph):
    with pytest.raises(RuntimeInputError, match="ONNX Runtime failed"):
        graph.run(ids=IDS + 1000)


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_a_file_that_is_no_graph_is_refused(tmp_path, content):
    (tmp_path / "policy.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="ONNX Runtime refuses it"):
        OnnxGraph(tmp_path / "policy.onnx")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleError, match="ONNX Runtime refuses it"):
        OnnxGraph(tmp_path / "none.onnx")


def test_an_input_of_a_kind_the_runtime_never_feeds_is_refused(tmp_path):
    kind = (TensorProto.BOOL, [1])
    graph = helper.make_graph(
        [helper.make_node("Not", ["flag"], ["no"])],
        "flags",
        [helper.make_tensor_value_info("flag", *kind)],
        [helper.make_tensor_value_info("no", *kind)],
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "flags.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=r"input flag: .*tensor\(bool\)"):
        OnnxGraph(tmp_path / "flags.onnx")
