"""Engines and their sidecars. The builds are real where a TensorRT is installed."""

import shutil
from pathlib import Path

import msgspec
import onnx
import pytest
from bundles import write_tiny_bundle
from onnx import TensorProto, helper

from lapa_edge.artifact import extend_bundle, load_bundle
from lapa_edge.errors import BundleError, ConfigError, LapaError, MissingDependencyError
from lapa_edge.export import engines, tensorrt_api
from lapa_edge.export.board import board_names, read_board
from lapa_edge.export.engines import (
    build_engines,
    choose_capability,
    describe_build,
    engine_files,
)
from lapa_edge.export.memory import Memory, check_memory, predict_memory
from lapa_edge.export.precision.graphs import graph_file
from lapa_edge.export.precision.known_graph import read_graph
from lapa_edge.export.tensorrt_api import Builder, build_engine, find_builder
from lapa_edge.runtime.backends import tensorrt_library
from lapa_edge.runtime.backends.sidecar import Host, Sidecar, check_engine
from lapa_edge.runtime.backends.tensorrt_library import collecting_logger

PRECISIONS_OF_86 = [
    ("fp32", ("fp32",)),
    ("fp16", ("fp16", "fp32")),
    ("bf16", ("bf16", "fp32")),
    ("int8", ("fp32", "int8")),
]
BOARDS = ["agx-orin", "h200", "orin-nano", "orin-nx", "rtx", "thor"]


@pytest.fixture(scope="module")
def rtx():
    return_to = "pip install 'lapa-edge[trt-rtx]'"
    pytest.importorskip("tensorrt_rtx_bindings", reason=f"NO ENGINE IS BUILT: {return_to}")
    return find_builder("tensorrt-rtx")


@pytest.fixture(scope="module")
def with_engines(rtx, checked_bundle, tmp_path_factory):
    root = tmp_path_factory.mktemp("engines") / "bundle"
    files = {name: checked_bundle.path(name).read_bytes() for name in checked_bundle.manifest.files}
    return build_engines(write_copy(root, checked_bundle, files), "orin-nano", rtx)


def copy_of(bundle, folder):
    return load_bundle(shutil.copytree(bundle.root, folder / "bundle"))


def write_copy(root, bundle, files):
    for name, data in {
        **files,
        "manifest.json": (bundle.root / "manifest.json").read_bytes(),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return load_bundle(root)


def test_the_exported_graphs_build_without_a_gpu_and_say_what_they_stand_in_for(with_engines, rtx):
    for graph in ("policy", "action_head"):
        engine = with_engines.path(f"engines/sm86/{graph}.engine")
        assert engine.stat().st_size > 1000
        raw = with_engines.path(f"engines/sm86/{graph}.engine.json").read_bytes()
        sidecar = msgspec.json.decode(raw, type=Sidecar)
        assert (sidecar.board, sidecar.stand_in) == ("orin-nano", True)
        assert sidecar.compute_capability == "8.6"
        assert (sidecar.builder, sidecar.builder_version) == (rtx.name, rtx.version)
        assert sidecar.onnx_sha256 == with_engines.manifest.files[f"{graph}.onnx"].sha256
        assert sidecar.precisions == ("fp32",)
    assert "parity.json" in with_engines.manifest.files


def test_an_engine_is_given_out_only_to_the_machine_it_was_built_for(with_engines, rtx):
    fits = Host(rtx.name, rtx.version, "8.6")
    path = check_engine(with_engines, "sm86", "policy", fits)
    assert path == with_engines.path("engines/sm86/policy.engine")
    for host, both_sides in (
        (
            Host("tensorrt", "10.3.0", "8.6"),
            f"for {rtx.name} {rtx.version}, here is tensorrt 10.3.0",
        ),
        (Host(rtx.name, rtx.version, "8.7"), "for 8.6, here is 8.7"),
        (Host(rtx.name, rtx.version, None), "for 8.6, here is no GPU"),
    ):
        with pytest.raises(BundleError) as caught:
            check_engine(with_engines, "sm86", "policy", host)
        assert both_sides in str(caught.value)
        assert "--target trt --board orin-nano" in str(caught.value)


def test_an_engine_of_another_graph_is_refused(with_engines, rtx, tmp_path):
    sidecar = with_engines.path("engines/sm86/policy.engine.json").read_bytes()
    bundle = write_tiny_bundle(tmp_path / "bundle")
    name = "engines/sm86/policy.engine"
    bundle = extend_bundle(bundle, {name: b"never read", f"{name}.json": sidecar})
    with pytest.raises(BundleError, match=r"graph policy\.onnx: it was built for"):
        check_engine(bundle, "sm86", "policy", Host(rtx.name, rtx.version, "8.6"))


def test_a_damaged_sidecar_and_a_missing_engine_are_named(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    host = Host("tensorrt", "10.3", "8.7")
    with pytest.raises(BundleError, match="has no file"):
        check_engine(bundle, "orin-nano", "policy", host)
    name = "engines/orin-nano/policy.engine"
    bundle = extend_bundle(bundle, {name: b"x", f"{name}.json": b"{}"})
    with pytest.raises(BundleError, match="its sidecar is damaged"):
        check_engine(bundle, "orin-nano", "policy", host)


def test_fp8_is_refused_for_orin_before_building(rtx):
    graph = fp8_graph()
    orin = read_board("orin-nano").precisions
    with pytest.raises(
        ConfigError, match=r"it computes in fp8, the target in fp32, fp16, bf16, int8"
    ):
        build_engine(rtx, graph, "policy.onnx", "8.6", orin)
    built = build_engine(rtx, graph, "policy.onnx", "8.9", read_board("rtx").precisions)
    assert "fp8" in built.precisions


@pytest.mark.parametrize(
    ("capability", "precision", "inside"),
    [
        *(("8.6", *row) for row in PRECISIONS_OF_86),
        *(("8.9", *row) for row in [*PRECISIONS_OF_86, ("fp8", ("fp32", "fp8"))]),
    ],
)
def test_every_precision_builds_strongly_typed(
    in_every_precision, rtx, capability, precision, inside
):
    graph = in_every_precision.path(graph_file("policy", precision)).read_bytes()
    built = build_engine(rtx, graph, "policy.onnx", capability, inside)
    assert built.precisions == inside
    assert "STRONGLY_TYPED" in built.flags
    assert len(built.data) > 1000


def test_fp8_for_sm86_is_refused_by_the_compiler_too(in_every_precision, rtx):
    graph = in_every_precision.path("policy.fp8.onnx").read_bytes()
    with pytest.raises(LapaError, match="cannot build it"):
        build_engine(rtx, graph, "policy.fp8.onnx", "8.6", ("fp32", "fp8"))


def test_engines_of_a_precision_lie_under_its_name_and_say_so(in_every_precision, rtx, tmp_path):
    files = engine_files(in_every_precision, "agx-orin", rtx, ("int8",))
    assert files.keys() == {
        "engines/sm86/policy.int8.engine",
        "engines/sm86/policy.int8.engine.json",
        "engines/sm86/action_head.engine",
        "engines/sm86/action_head.engine.json",
    }
    raw = files["engines/sm86/policy.int8.engine.json"]
    sidecar = msgspec.json.decode(raw, type=Sidecar)
    assert (sidecar.precision, sidecar.onnx) == ("int8", "policy.int8.onnx")
    bundle = extend_bundle(copy_of(in_every_precision, tmp_path), files)
    with pytest.raises(BundleError, match="--target trt --board agx-orin --precision int8"):
        check_engine(bundle, "sm86", "policy.int8", Host(rtx.name, "0.0", "8.6"))


def test_a_head_that_two_precisions_share_is_built_once_and_names_its_own(
    in_every_precision, rtx, monkeypatch, tmp_path
):
    built = []

    def watched(builder, data, name, *others):
        built.append(name)
        return build_engine(builder, data, name, *others)

    monkeypatch.setattr(engines, "build_engine", watched)
    files = engine_files(in_every_precision, "agx-orin", rtx, ("fp32", "int8"))
    assert sorted(built) == ["action_head.onnx", "policy.int8.onnx", "policy.onnx"]
    told = msgspec.json.decode(files["engines/sm86/action_head.engine.json"], type=Sidecar)
    assert (told.precision, told.precisions) == ("fp32", ("fp32",))
    bundle = extend_bundle(copy_of(in_every_precision, tmp_path), files)
    with pytest.raises(BundleError, match="--target trt --board agx-orin --precision fp32"):
        check_engine(bundle, "sm86", "action_head", Host(rtx.name, "0.0", "8.6"))


def test_fp8_for_orin_is_refused_with_what_to_use_before_a_builder_is_looked_for(
    in_every_precision, monkeypatch
):
    monkeypatch.setattr(engines, "find_builder", None)
    with pytest.raises(ConfigError, match=r"Orin Nano .*8\.7.* use --precision int8"):
        engine_files(in_every_precision, "orin-nano", None, ("fp8",))


def test_a_build_beyond_the_boards_memory_is_refused_and_a_small_one_is_told(in_every_precision):
    graph = read_graph(in_every_precision.path("policy.onnx").read_bytes(), "policy.onnx")
    memory, board = predict_memory(graph), read_board("orin-nano")
    assert memory.weights > sum(len(w.raw_data) for w in graph.graph.initializer) * 0.99
    assert memory.activations >= 4 * 3 * 32 * 32
    assert "GiB while building and" in check_memory(memory, board, "policy.onnx")
    large = Memory(weights=2 * 2**30, activations=0)
    with pytest.raises(ConfigError, match=r"would not build policy\.onnx: about 8\.6 GiB"):
        check_memory(large, board, "policy.onnx")
    assert check_memory(large, read_board("agx-orin"), "policy.onnx")


def test_every_figure_of_a_recipe_has_a_source_or_says_that_it_was_not_checked():
    for name in BOARDS:
        sources = read_board(name).sources
        told = {"compute_capability", "memory_gb", "bandwidth_gb_s", "tensorrt", "peak_tops"}
        assert told <= sources.keys()


def test_fewer_bits_are_never_slower_and_what_is_not_known_is_not_there():
    for name in BOARDS:
        board = read_board(name)
        assert board.peak_tops.keys() <= set(board.precisions)
        peak = board.peak_tops
        assert peak["fp32"] < peak["fp16"] == peak["bf16"]
        assert all(peak[x] > peak["fp16"] for x in ("int8", "fp8", "fp4") if x in peak)
    assert "int8" not in read_board("thor").peak_tops


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fp8 = 100", "peak_tops: fp8 is none of its precisions"),
        ("fp16 = -1", r"peak_tops\.fp16: expected more than 0, got -1"),
    ],
)
def test_a_recipe_with_an_impossible_peak_is_refused(tmp_path, line, words):
    recipe = Path(tensorrt_api.__file__).parents[2] / "export" / "boards" / "orin-nano.toml"
    if not recipe.is_file():
        pytest.skip("NOT CHECKED: this is no checkout, whose recipe could be copied")
    mine = tmp_path / "mine.toml"
    before, _, after = recipe.read_text().partition("fp16 = ")
    mine.write_text(f"{before}{line}\n{after.partition(chr(10))[2]}")
    with pytest.raises(ConfigError, match=words):
        read_board(str(mine))


def test_a_graph_tensorrt_cannot_read_fails_in_its_words(rtx):
    with pytest.raises(LapaError, match=r"policy\.onnx: tensorrt-rtx .* cannot read it"):
        build_engine(rtx, b"no graph", "policy.onnx", "8.6", ("fp32",))


def test_a_board_that_cannot_be_built_for_here_is_refused(rtx):
    with pytest.raises(ConfigError, match=r"needs compute capability 9\.0, .* on the board itself"):
        choose_capability(read_board("h200"), rtx)
    assert choose_capability(read_board("rtx"), rtx) == ("8.9", False)
    assert "stands in for the 8.7" in describe_build(read_board("orin-nx"), rtx, "8.6", True)


def test_no_tensorrt_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(tensorrt_library, "_import", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lapa-edge\[trt-rtx\]'"):
        find_builder()


def test_full_tensorrt_builds_for_the_gpu_that_answers_and_no_other(monkeypatch):
    full = Builder(onnx, "tensorrt", "10.3.0", "12.6")
    monkeypatch.setattr(tensorrt_api, "gpu_capability", lambda: "8.7")
    assert choose_capability(read_board("orin-nano"), full) == ("8.7", False)
    with pytest.raises(ConfigError, match=r"builds here for 8\.7"):
        choose_capability(read_board("thor"), full)
    monkeypatch.setattr(tensorrt_api, "gpu_capability", lambda: None)
    with pytest.raises(ConfigError, match="no GPU answers"):
        choose_capability(read_board("orin-nano"), full)


@pytest.mark.parametrize("version", ["8.6.1.6", "10.2.9", "10.3.0", "10.16.1", "11.0"])
def test_a_tensorrt_older_than_the_boards_system_brings_is_refused(monkeypatch, version):
    monkeypatch.setattr(tensorrt_api, "gpu_capability", lambda: "8.7")
    builder, board = Builder(onnx, "tensorrt", version, "12.6"), read_board("orin-nano")
    if version.startswith(("8.", "10.2")):
        words = rf"is for JetPack 6\.2, TensorRT 10\.3, CUDA 12\.6 or newer, .* {version}; update"
        with pytest.raises(ConfigError, match=words):
            choose_capability(board, builder)
    else:
        assert choose_capability(board, builder) == ("8.7", False)


def test_every_recipe_parses_and_orin_has_no_fp8():
    assert board_names() == BOARDS
    for name in BOARDS:
        board = read_board(name)
        assert ("fp8" in board.precisions) == (float(board.compute_capability) >= 8.9)


def test_an_unknown_board_lists_the_known_ones_and_a_file_is_read(tmp_path):
    with pytest.raises(ConfigError, match="one of: agx-orin, h200, orin-nano"):
        read_board("orin")
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\n')
    with pytest.raises(ConfigError, match="missing required field"):
        read_board(str(mine))
    recipe = Path(tensorrt_api.__file__).parents[2] / "export" / "boards" / "rtx.toml"
    if recipe.is_file():
        mine.write_text(recipe.read_text().replace('"8.9"', '"12.0"'))
        assert read_board(str(mine)).compute_capability == "12.0"


def test_a_board_of_the_users_own_is_built_for_again_by_its_path(checked_bundle, rtx, tmp_path):
    recipe = Path(tensorrt_api.__file__).parents[2] / "export" / "boards" / "orin-nano.toml"
    if not recipe.is_file():
        pytest.skip("NOT CHECKED: this is no checkout, whose recipe could be copied")
    mine = tmp_path / "mine.toml"
    mine.write_text(recipe.read_text())
    files = engine_files(checked_bundle, str(mine), rtx)
    sidecar = msgspec.json.decode(files["engines/sm86/policy.engine.json"], type=Sidecar)
    assert read_board(sidecar.board).name == read_board("orin-nano").name
    assert sidecar.board == str(mine)


def fp8_graph() -> bytes:
    """x -> quantize to FP8 and back -> MatMul."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [16, 16], [0.5] * 256)
    scale = helper.make_tensor("s", TensorProto.FLOAT, [], [0.1])
    zero = helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, [], b"\x00", raw=True)
    nodes = []
    for source in ("x", "w"):
        nodes.append(helper.make_node("QuantizeLinear", [source, "s", "z"], [f"{source}_q"]))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{source}_q", "s", "z"], [f"{source}_d"])
        )
    nodes.append(helper.make_node("MatMul", ["x_d", "w_d"], ["y"]))
    shape = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "fp8", [shape("x", 1, [1, 16])], [shape("y", 1, [1, 16])], [weight, scale, zero]
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 19)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_the_kernels_of_an_rtx_gpu_that_answers_are_files_of_the_bundle(
    checked_bundle_copy, rtx, monkeypatch
):
    monkeypatch.setattr(engines, "gpu_capability", lambda: "8.9")
    seen = []

    class Runs:
        def __init__(self, path, library, driver):
            seen.append(path.read_bytes())

        def kernels(self):
            return b"compiled"

    monkeypatch.setattr(engines, "TensorrtGraph", Runs)
    monkeypatch.setattr(engines, "CudaDriver", lambda: None)
    bundle = build_engines(checked_bundle_copy, "rtx", rtx)
    for graph in ("policy", "action_head"):
        engine = bundle.path(f"engines/rtx/{graph}.engine")
        assert engine.read_bytes() in seen
        assert bundle.path(f"engines/rtx/{graph}.engine.cache").read_bytes() == b"compiled"
    assert load_bundle(bundle.root).manifest == bundle.manifest
    # An engine for another GPU than the one here is not run, and has no kernels yet.
    assert not any(x.endswith(".engine.cache") for x in engine_files(bundle, "orin-nano", rtx))


def test_an_engine_that_does_not_run_where_it_was_built_leaves_no_kernels_and_says_so(
    checked_bundle, rtx, monkeypatch, caplog
):
    if tensorrt_library.gpu_capability():
        pytest.skip("NOT CHECKED: this machine has a GPU")
    monkeypatch.setattr(engines, "gpu_capability", lambda: "8.9")
    files = engine_files(checked_bundle, "rtx", rtx)
    assert "engines/rtx/policy.engine" in files
    assert not any(name.endswith(".engine.cache") for name in files)
    assert "no kernels are kept beside the engine: " in caplog.text


def test_the_timing_cache_of_tensorrt_for_rtx_holds_nothing_so_none_is_kept(rtx, checked_bundle):
    graph = checked_bundle.path("policy.onnx").read_bytes()
    assert build_engine(rtx, graph, "policy.onnx", "8.6", ("fp32",)).timing_cache is None
    trt, logger = rtx.module, collecting_logger(rtx.module)
    builder = trt.Builder(logger)
    config, network = builder.create_builder_config(), builder.create_network(0)
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    assert trt.OnnxParser(network, logger).parse(graph)
    with pytest.deprecated_call(match="no-ops"):
        empty = config.create_timing_cache(b"")
        config.set_timing_cache(empty, False)
        before = bytes(empty.serialize())
        assert builder.build_serialized_network(network, config) is not None
        assert bytes(config.get_timing_cache().serialize()) == before
