"""Bundle to TensorRT engines: the two graphs of the control path, each with a sidecar.

    engines/<target>/policy.engine        of policy.onnx, and policy.fp16.engine of policy.fp16.onnx
    engines/<target>/action_head.engine   likewise
    engines/<target>/*.engine.json        the sidecar of each
    engines/<target>/timing.cache         of full TensorRT: the next build here is quick
    engines/<target>/*.engine.cache       of TensorRT for RTX, where its GPU answers: the kernels it
                                          compiles as it loads, so that no start waits for them

`target` is the board's name, or ``sm86`` and the like where TensorRT for RTX had to stand in for a
GPU it does not build for. The instruction is encoded once and stays with ONNX Runtime. Needs no
torch: on a Jetson this runs on the robot itself.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from lapa_edge.artifact import Bundle, extend_bundle
from lapa_edge.errors import LapaError
from lapa_edge.export.board import Board, check_precision, read_board
from lapa_edge.export.limits import Precision
from lapa_edge.export.memory import check_memory, predict_memory
from lapa_edge.export.precision.graphs import graph_file
from lapa_edge.export.precision.known_graph import read_graph
from lapa_edge.export.tensorrt_api import (
    Builder,
    build_engine,
    choose_capability,
    find_builder,
)
from lapa_edge.runtime.backends.cuda_driver import CudaDriver
from lapa_edge.runtime.backends.sidecar import Sidecar
from lapa_edge.runtime.backends.tensorrt_graph import TensorrtGraph
from lapa_edge.runtime.backends.tensorrt_library import gpu_capability
from lapa_edge.runtime.backends.tensorrt_loading import CACHE

GRAPHS = ("policy", "action_head")

logger = logging.getLogger(__name__)


def build_engines(
    bundle: Bundle,
    board: str,
    builder: Builder | None = None,
    precisions: Sequence[Precision] = ("fp32",),
) -> Bundle:
    """The bundle with engines for `board`; arguments and errors as for `engine_files`."""
    return extend_bundle(bundle, engine_files(bundle, board, builder, precisions))


def engine_files(
    bundle: Bundle,
    board: str,
    builder: Builder | None = None,
    precisions: Sequence[Precision] = ("fp32",),
) -> dict[str, bytes]:
    """Engines, sidecars and caches by name, built by the TensorRT that is installed.

    A graph that several precisions share is built once.

    Args:
        bundle: verified; has the graphs of `precisions`.
        board: a recipe's name, or a ``.toml`` file.
        builder: from `find_builder`, which is asked where none is given.
        precisions: of the engines.

    Raises:
        MissingDependencyError: no TensorRT is installed.
        ConfigError: an unknown board, one that cannot be built for here, a precision it lacks, or
            more memory than it has.
        BundleError: no graph of such a precision, or one that is none of ours.
        LapaError: TensorRT refuses a graph.
    """
    recipe, name = read_board(board), Path(board).stem
    for precision in precisions:
        check_precision(recipe, precision)
    builder = builder or find_builder()
    capability, stands_in = choose_capability(recipe, builder)
    logger.info(describe_build(recipe, builder, capability, stands_in))
    target = "sm" + capability.replace(".", "") if stands_in else name
    graphs = engine_graphs(precisions)
    for line in check_fit(bundle, recipe, graphs):  # all of them, before the first is built
        logger.info(line)
    files: dict[str, bytes] = {}
    cache_name = f"engines/{target}/timing.cache"
    cache = bundle.path(cache_name).read_bytes() if cache_name in bundle.manifest.files else b""
    for onnx_name, precision in graphs.items():
        data = bundle.path(onnx_name).read_bytes()
        built = build_engine(builder, data, onnx_name, capability, recipe.precisions, cache)
        sidecar = Sidecar(
            board=board,  # as it was asked for: a path, where the recipe is the user's own
            stand_in=stands_in,
            precision=precision,
            builder=builder.name,
            builder_version=builder.version,
            cuda=builder.cuda,
            compute_capability=capability,
            onnx=onnx_name,
            onnx_sha256=bundle.manifest.files[onnx_name].sha256,
            precisions=built.precisions,
            flags=built.flags,
        )
        engine = f"engines/{target}/{onnx_name.removesuffix('.onnx')}.engine"
        files[engine] = built.data
        files[f"{engine}.json"] = msgspec.json.format(msgspec.json.encode(sidecar))
        if built.timing_cache is not None:
            files[cache_name] = cache = built.timing_cache
        if builder.name == "tensorrt-rtx" and capability == gpu_capability():
            files.update({f"{engine}{CACHE}": x for x in compile_kernels(builder, built.data)})
    return files


def engine_graphs(precisions: Sequence[Precision]) -> dict[str, Precision]:
    """What engines of `precisions` are built of, by file, each with the precision of its own.

    The head of an 8-bit policy is the float32 one, whose engine is no 8-bit engine.
    """
    graphs: dict[str, Precision] = {}
    for precision in precisions:
        for graph in GRAPHS:
            name = graph_file(graph, precision)
            graphs[name] = "fp32" if name == graph_file(graph, "fp32") else precision
    return graphs


def check_fit(bundle: Bundle, board: Board, names: Iterable[str]) -> list[str]:
    """What the engines of these graphs will take on `board`, a line each.

    Raises:
        BundleError: no such graph, or one that is none of ours.
        ConfigError: more memory than the board has.
    """
    graphs = {name: read_graph(bundle.path(name).read_bytes(), name) for name in names}
    return [check_memory(predict_memory(graph), board, name) for name, graph in graphs.items()]


def compile_kernels(builder: Builder, engine: bytes) -> list[bytes]:
    """The kernels that TensorRT for RTX compiles when it loads and runs `engine` on this GPU.

    None where it does not run here: what is wrong with it is for the verify step to say.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.engine"
        path.write_bytes(engine)
        try:
            kernels = TensorrtGraph(path, builder, CudaDriver()).kernels()
        except LapaError as error:
            logger.warning("no kernels are kept beside the engine: %s", error)
            return []
    return [] if kernels is None else [kernels]


def describe_build(board: Board, builder: Builder, capability: str, stands_in: bool) -> str:
    """One line: which builder, for what; and plainly where the result is not for the board."""
    line = f"{builder.name} {builder.version} builds for compute capability {capability}"
    if not stands_in:
        return f"{line} ({board.name})"
    return (
        f"{line}, which stands in for the {board.compute_capability} of {board.name}: this proves "
        "that the graphs build; run this command on the board for the engines it loads"
    )
