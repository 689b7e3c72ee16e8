"""8 bits in the graph: which products, which scales, and the kernels ONNX Runtime makes of them."""

from collections import Counter

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from lapa_edge.errors import BundleError, DataError
from lapa_edge.export.precision.known_graph import read_graph, write_graph
from lapa_edge.export.precision.products import find_products, merge_siblings
from lapa_edge.export.precision.quantize import find_ranges, quantize_graph
from lapa_edge.export.precision.ranges import BINS, best_clip, measure_ranges


@pytest.fixture(scope="module")
def ranges(policy, feeds):
    return find_ranges(policy, "policy.onnx", lambda: feeds)


def test_int8_answers_nearly_as_float32_does(policy, feeds, ranges, answers):
    coarse = answers(quantize_graph(policy, "policy.onnx", "int8", ranges), feeds)
    for name, expected in answers(policy, feeds).items():
        error = np.sqrt(((coarse[name] - expected) ** 2).mean() / (expected**2).mean())
        assert 0 < error < 0.05, name


def test_every_product_and_convolution_becomes_one_int8_kernel(policy, ranges, tmp_path):
    graph = quantize_graph(policy, "policy.onnx", "int8", ranges)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    fused = Counter(node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node)
    # query, key and value in one; attention's output; two of the feed-forward
    assert fused["MatMulIntegerToFloat"] == 4
    assert fused["QLinearConv"] == 2
    assert fused["DequantizeLinear"] == 2  # of the convolutions' answers


def test_siblings_in_one_product_change_no_bit_of_the_answer(policy, feeds, answers):
    model = read_graph(policy, "policy.onnx")
    before = len(find_products(model))
    merge_siblings(model)
    merged = write_graph(model, "policy.onnx")
    assert len(find_products(read_graph(merged, "policy.onnx"))) == before - 1
    for name, expected in answers(policy, feeds).items():
        np.testing.assert_allclose(answers(merged, feeds)[name], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "kind", "end", "dtype", "convolutions"),
    [
        ("int8", TensorProto.INT8, 127, np.int8, 2),
        ("fp8", TensorProto.FLOAT8E4M3FN, 448, ml_dtypes.float8_e4m3fn, 0),
    ],
)
def test_weights_are_stored_in_8_bits_a_scale_per_output(
    policy, ranges, precision, kind, end, dtype, convolutions
):
    model = onnx.load_model_from_string(quantize_graph(policy, "policy.onnx", precision, ranges))
    weights = {w.name: w for w in model.graph.initializer}
    stored = [name for name in weights if name.endswith(".q")]
    assert sum(len(weights[name].dims) == 4 for name in stored) == convolutions
    assert len(stored) == 4 + convolutions
    for name in stored:
        assert weights[name].data_type == kind
        values = np.frombuffer(weights[name].raw_data, dtype).reshape(weights[name].dims)
        scale = numpy_helper.to_array(weights[f"{name.removesuffix('.q')}.scale"])
        if values.ndim == 4:  # [out, in, rows, columns]
            values = values.reshape(values.shape[0], -1).T
        assert scale.shape == (values.shape[1],)
        np.testing.assert_array_equal(np.abs(values.astype(np.float32)).max(axis=0), end)


def test_the_last_layers_and_the_first_convolution_stay_in_float32(policy, ranges):
    model = onnx.load_model_from_string(quantize_graph(policy, "policy.onnx", "int8", ranges))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    coarse = ["dequantized" in node.input[1] for node in convolutions]
    assert coarse == [False, True, True]
    writer = {name: node for node in model.graph.node for name in node.output}
    logits = writer["logits"]
    while logits.op_type not in ("MatMul", "Gemm"):
        logits = writer[logits.input[0]]
    assert not logits.input[1].endswith(".dequantized")


def test_ranges_of_another_graph_are_refused(policy):
    with pytest.raises(BundleError, match="they are of another graph; calibrate again"):
        quantize_graph(policy, "policy.onnx", "int8", {"elsewhere": 1.0})


def test_a_graph_without_large_products_is_refused(tiny_graphs, feeds):
    with pytest.raises(BundleError, match="has no matrix product to quantize"):
        find_ranges(tiny_graphs["action_head.onnx"], "action_head.onnx", lambda: feeds)


def test_activations_that_are_not_finite_or_always_0_are_refused(policy, feeds):
    spoilt = [{name: np.full_like(x, np.nan) for name, x in feed.items()} for feed in feeds[:1]]
    with pytest.raises(DataError, match="is NaN or infinite"):
        find_ranges(policy, "policy.onnx", lambda: spoilt)
    model = read_graph(policy, "policy.onnx")
    silent = [{name: np.zeros_like(x) for name, x in feed.items()} for feed in feeds[:1]]
    with pytest.raises(DataError, match="activation image: is 0 in every observation"):
        measure_ranges(model, ["image"], lambda: silent)


def test_a_lone_outlier_is_clipped_and_an_even_spread_is_not():
    counts = np.zeros(BINS, np.int64)
    counts[: BINS // 8] = 10_000
    counts[-1] = 1
    assert best_clip(counts, 8.0) < 4.0
    assert best_clip(np.full(BINS, 100), 8.0) == pytest.approx(8.0, rel=0.02)
