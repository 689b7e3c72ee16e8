"""ONNX Runtime behind its small class."""

import numpy as np
import onnxruntime
import pytest
from bundles import head_graph, head_weights, text_graph, tiny_spec
from onnx import TensorProto, helper

from lapa_edge.errors import BundleError, MissingDependencyError, RuntimeInputError
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph, default_threads
from lapa_edge.runtime.backends.onnx_layers import count_gflop

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


def test_a_graph_of_dynamic_shapes_is_refused(tmp_path):
    kind = (TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "dynamic",
        [helper.make_tensor_value_info("x", *kind)],
        [helper.make_tensor_value_info("y", *kind)],
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "dynamic.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=r"input x: expected a static shape, got \['batch', 3\]"):
        OnnxGraph(tmp_path / "dynamic.onnx")


def test_an_operator_that_nobody_knows_is_refused(tmp_path):
    kind = (TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(
        [helper.make_node("Teleport", ["x"], ["y"], domain="elsewhere")],
        "foreign",
        [helper.make_tensor_value_info("x", *kind)],
        [helper.make_tensor_value_info("y", *kind)],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("elsewhere", 1)]
    model = helper.make_model(graph, ir_version=9, opset_imports=domains)
    (tmp_path / "foreign.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=r"ONNX Runtime refuses it .*Teleport"):
        OnnxGraph(tmp_path / "foreign.onnx")


def test_an_answer_is_the_callers_own(graph):
    first = graph.run(ids=IDS)["text"]
    kept = first.copy()
    assert (graph.run(ids=IDS + 1)["text"] != kept).any()
    assert (first == kept).all()


def test_the_cpu_has_one_stage(graph):
    answer, stages = graph.run_staged(ids=IDS)
    assert graph.stages == tuple(stages) == ("cpu",) and stages["cpu"] > 0
    assert (answer["text"] == graph.run(ids=IDS)["text"]).all()


@pytest.mark.parametrize(("provider", "name"), [("cuda", "CUDA"), ("tensorrt", "Tensorrt")])
def test_a_provider_that_is_not_installed_is_refused_by_name(graph, tmp_path, provider, name):
    if f"{name}ExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip(f"NOT CHECKED: this ONNX Runtime has {name}")
    with pytest.raises(MissingDependencyError, match=f"{name}ExecutionProvider: not in the one"):
        OnnxGraph(tmp_path / "text.onnx", provider=provider)


def test_a_provider_that_falls_back_to_the_cpu_is_refused(graph, tmp_path, monkeypatch):
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    real = onnxruntime.InferenceSession
    fallen = lambda *args, providers: real(*args, providers=["CPUExecutionProvider"])  # noqa: E731
    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen)
    with pytest.raises(MissingDependencyError, match="CUDAExecutionProvider: did not start"):
        OnnxGraph(tmp_path / "text.onnx", provider="cuda")


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 3), (5, 4), (6, 4), (64, 4)])
def test_one_core_is_left_to_the_control_loop(cores, threads):
    assert default_threads(cores) == threads


def test_layers_are_timed_and_their_arithmetic_counted(tmp_path):
    spec = tiny_spec()
    rng = np.random.default_rng(0)
    weights = head_weights(rng, spec.head_input_dim, spec.head_output_dim, 8, 1)
    (tmp_path / "head.onnx").write_bytes(head_graph(weights).SerializeToString())
    graph = OnnxGraph(tmp_path / "head.onnx")
    layers = graph.time_layers(2, x=np.zeros((1, spec.head_input_dim), np.float32))
    times = [layer.p50_ms for layer in layers]
    assert times == sorted(times, reverse=True)
    products = sum(array.size for name, array in weights.items() if name.endswith("weight"))
    counted = sum(layer.gflop for layer in layers if "Gemm" in layer.kind)
    assert counted == pytest.approx(2e-9 * products)
    assert list(tmp_path.iterdir()) == [tmp_path / "head.onnx"]  # the profile's file is gone


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "products"),
    [
        ("Conv", [[1, 3, 8, 8], [4, 3, 3, 3], [4]], [1, 4, 4, 4], 64 * 27),
        ("QLinearConv", [[1, 3, 8, 8], [1], [1], [4, 3, 3, 3]], [1, 4, 4, 4], 64 * 27),
        ("MatMul", [[1, 5, 6]], [1, 5, 7], 35 * 6),
        ("FusedMatMul", [[2, 5, 6], [2, 6, 7]], [2, 5, 7], 70 * 6),
        ("Add", [[1, 5], [1, 5]], [1, 5], 0),
        ("Gemm", [[]], [], 0),
    ],
)
def test_arithmetic_is_told_from_shapes(kind, inputs, outputs, products):
    args = {
        "op_name": kind,
        "input_type_shape": [{"float": shape} for shape in inputs],
        "output_type_shape": [{"float": outputs}],
    }
    assert count_gflop(args) == pytest.approx(2e-9 * products)
