"""One build for every TensorRT: the same graphs through the APIs of 10.3, 10.16 and 11.

Their names and rules are those of `tensorrt_fakes`, since full TensorRT wants a GPU; TensorRT for
RTX is the real one, in `test_engines`.
"""

import hashlib

import onnx
import pytest
from agents import tiny_agent
from onnx import TensorProto, helper
from tensorrt_fakes import FakeTensorRT
from tensorrt_operators import OPERATORS, OPSETS, why_not_read

from lapa_edge.artifact import load_bundle
from lapa_edge.errors import LapaError, MissingDependencyError
from lapa_edge.export import tensorrt_api
from lapa_edge.export.board import read_board
from lapa_edge.export.engines import build_engines, describe_build
from lapa_edge.export.graphs import OPSET, export_graphs
from lapa_edge.export.precision.graphs import graph_file
from lapa_edge.export.precision.known_graph import NARROW, QUANTIZED, WIDE
from lapa_edge.export.tensorrt_api import Builder, build_engine, find_builder
from lapa_edge.runtime.backends import tensorrt_library

VERSIONS = [("10.3.0", True), ("10.16.1", True), ("11.4.0", True), ("11.4.0", False)]
INSIDE = {
    "fp32": ("fp32",), "fp16": ("fp16", "fp32"), "bf16": ("bf16", "fp32"),
    "int8": ("fp32", "int8"), "fp8": ("fp32", "fp8"),
}  # fmt: skip
STATE = {"state_names": ("joint_0", "joint_1", "joint_2")}
AGENTS = [
    {},
    {"n": 0},
    {"decoder": "autoregressive", **STATE, "cameras": ("front", "wrist")},
    {"look_state": True, **STATE},
    {"decoding": "flow"},
    {"decoding": "bins"},
]


@pytest.fixture
def on_gpu(monkeypatch):
    """A GPU of this compute capability answers."""

    def answers(capability):
        monkeypatch.setattr(tensorrt_api, "gpu_capability", lambda: capability)
        monkeypatch.setattr(tensorrt_library, "gpu_capability", lambda: capability)

    return answers


def full(version, creation_flag=True):
    return Builder(FakeTensorRT(version, creation_flag), "tensorrt", version, "12.6")


@pytest.mark.parametrize(("version", "creation_flag"), VERSIONS)
@pytest.mark.parametrize("precision", INSIDE)
def test_every_precision_builds_under_every_version(
    in_every_precision, on_gpu, version, creation_flag, precision
):
    on_gpu("11.0")
    builder = full(version, creation_flag)
    for graph in ("policy", "action_head"):
        name = graph_file(graph, precision)
        data = in_every_precision.path(name).read_bytes()
        allowed = read_board("thor").precisions
        built = build_engine(builder, data, name, "11.0", allowed)
        eight_bits_beside = graph == "action_head" and precision in ("int8", "fp8")
        assert built.precisions == (("fp32",) if eight_bits_beside else INSIDE[precision])
        assert built.flags == ("STRONGLY_TYPED", "no TF32")
        assert b"false" in built.data  # TF32 was switched off


def test_a_second_build_times_nothing_and_the_cache_is_a_file_of_the_bundle(
    checked_bundle_copy, on_gpu
):
    on_gpu("8.7")
    builder, name = full("10.3.0"), "engines/orin-nano/timing.cache"
    first = build_engines(checked_bundle_copy, "orin-nano", builder)
    assert builder.module.timed > 0
    cache = first.path(name).read_bytes()
    assert first.manifest.files[name].sha256 == hashlib.sha256(cache).hexdigest()
    engine = first.path("engines/orin-nano/policy.engine").read_bytes()
    builder.module.timed = 0
    again = build_engines(load_bundle(first.root), "orin-nano", builder)
    assert builder.module.timed == 0
    assert again.path("engines/orin-nano/policy.engine").read_bytes() == engine
    assert again.path(name).read_bytes() == cache


def test_a_timing_cache_of_another_version_is_replaced(checked_bundle_copy, on_gpu):
    on_gpu("8.7")
    old = build_engines(checked_bundle_copy, "orin-nano", full("10.3.0"))
    new = full("10.16.1")
    built = build_engines(load_bundle(old.root), "orin-nano", new)
    assert new.module.timed > 0
    assert b"10.16.1" in built.path("engines/orin-nano/timing.cache").read_bytes()


def test_every_operator_of_ours_is_one_that_10_3_reads():
    assert OPERATORS.keys() == WIDE | NARROW | QUANTIZED
    assert OPSET in OPSETS


@pytest.mark.parametrize("options", AGENTS, ids=str)
def test_every_kind_of_agent_exports_to_what_10_3_reads(options):
    config, agent = tiny_agent(**options)
    for name, data in export_graphs(agent, config.spec).items():
        assert why_not_read(onnx.load_model_from_string(data)) == [], name


@pytest.mark.parametrize("precision", INSIDE)
def test_every_precision_is_what_10_3_reads(in_every_precision, precision):
    for graph in ("policy", "action_head"):
        model = onnx.load(in_every_precision.path(graph_file(graph, precision)))
        assert why_not_read(model) == []


def test_what_10_3_lacks_is_told_by_the_build(on_gpu):
    on_gpu("8.7")
    shape = helper.make_tensor_value_info
    node = helper.make_node("Mish", ["x"], ["y"], name="new")
    graph = helper.make_graph(
        [node], "g", [shape("x", TensorProto.FLOAT, [1])], [shape("y", TensorProto.FLOAT, [1])]
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 22)])
    with pytest.raises(LapaError, match=r"10\.3\.0 cannot read it \(opset 22; Mish new: unknown"):
        build_engine(full("10.3.0"), model.SerializeToString(), "policy.onnx", "8.7", ("fp32",))


@pytest.mark.parametrize(
    ("installed", "gpu", "asked", "chosen"),
    [
        ("tensorrt tensorrt_rtx_bindings", "8.9", "auto", "tensorrt 10.3.0"),
        # Without a GPU the full one builds nothing, and the other does.
        ("tensorrt tensorrt_rtx_bindings", None, "auto", "tensorrt-rtx 1.7.1"),
        ("tensorrt tensorrt_rtx_bindings", "8.9", "tensorrt-rtx", "tensorrt-rtx 1.7.1"),
        ("tensorrt tensorrt_rtx_bindings", None, "tensorrt", "tensorrt 10.3.0"),
        ("tensorrt_rtx_bindings", "8.9", "auto", "tensorrt-rtx 1.7.1"),
        ("tensorrt", None, "auto", "tensorrt 10.3.0"),
        ("tensorrt", "8.9", "tensorrt-rtx", None),
        ("tensorrt_rtx_bindings", "8.9", "tensorrt", None),
    ],
)
def test_full_tensorrt_is_taken_where_it_can_build_and_the_line_says_which(
    monkeypatch, on_gpu, installed, gpu, asked, chosen
):
    on_gpu(gpu)
    versions = {"tensorrt": "10.3.0", "tensorrt_rtx_bindings": "1.7.1"}
    modules = {name: FakeTensorRT(versions[name]) for name in installed.split()}
    monkeypatch.setattr(tensorrt_library, "_import", modules.get)
    if chosen is None:
        with pytest.raises(MissingDependencyError, match=f"{asked}: not installed"):
            find_builder(asked)
        return
    found = find_builder(asked)
    assert f"{found.name} {found.version}" == chosen
    assert describe_build(read_board("rtx"), found, "8.9", False).startswith(f"{chosen} builds")
