"""Which backend runs a bundle's graph here, by name; refused in words where it can't."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError, ConfigError
from lapa_edge.runtime.backends.cuda_driver import CudaDriver
from lapa_edge.runtime.backends.graph import StagedGraph
from lapa_edge.runtime.backends.names import Backend, Device
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.backends.sidecar import Host, check_engine, this_host
from lapa_edge.runtime.backends.tensorrt_graph import TensorrtGraph
from lapa_edge.runtime.backends.tensorrt_library import find_tensorrt
from lapa_edge.runtime.backends.tensorrt_loading import CACHE
from lapa_edge.runtime.mark import COMPARED, check_graph_mark


def open_graph(
    bundle: Bundle,
    graph: str = "policy",
    backend: Backend = "onnx",
    device: Device | None = None,
    threads: int = 1,
) -> StagedGraph:
    """A graph of the bundle, ready to run.

    Args:
        bundle: verified.
        graph: the file's name without its end: ``policy``, or one in another precision.
        backend: "onnx" runs ``<graph>.onnx``, "tensorrt" an engine that was built of it.
        device: where; unless given the CPU for "onnx", the GPU for "tensorrt".
        threads: of ONNX Runtime on the CPU; 0 chooses by the machine.

    Raises:
        BundleError: no such graph or engine, one that is damaged or not for this machine.
        ConfigError: an engine on the CPU, or fewer than 0 threads.
        MissingDependencyError: no GPU, no TensorRT, or an ONNX Runtime without CUDA.
    """
    if threads < 0:
        raise ConfigError("threads", f"expected 0 or more, got {threads}")
    if backend == "onnx":
        path = bundle.path(f"{graph}.onnx")
        if path.name not in COMPARED:
            check_graph_mark(bundle, path.name)
        return OnnxGraph(path, threads, device or "cpu")
    if device == "cpu":
        raise ConfigError("device", "TensorRT has no CPU", 'choose "cuda", or the backend "onnx"')
    targets = engine_targets(bundle, graph)
    library, driver = find_tensorrt(), CudaDriver()
    path = find_engine(bundle, targets, graph, this_host())
    check_graph_mark(bundle, path.relative_to(bundle.root).as_posix())
    return TensorrtGraph(path, library, driver, cache=read_cache(bundle, path))


def open_engine(bundle: Bundle, target: str, graph: str, cuda_graph: bool = True) -> TensorrtGraph:
    """One engine, whether it was compared with the trained agent or not: to compare or time it.

    Args:
        bundle, target, graph: as `check_engine` takes them.
        cuda_graph: see `TensorrtGraph`.

    Raises:
        BundleError, MissingDependencyError: as `open_graph`.
    """
    library, driver = find_tensorrt(), CudaDriver()
    path = check_engine(bundle, target, graph)
    return TensorrtGraph(path, library, driver, cuda_graph, read_cache(bundle, path))


def read_cache(bundle: Bundle, engine: Path) -> bytes:
    """The kernels that the bundle keeps beside an engine; nothing where it keeps none."""
    name = f"{engine.relative_to(bundle.root).as_posix()}{CACHE}"
    return bundle.path(name).read_bytes() if name in bundle.manifest.files else b""


def engine_targets(bundle: Bundle, graph: str) -> list[str]:
    """The folders of ``engines/`` that hold this graph; `BundleError` where none does."""
    paths = map(PurePosixPath, bundle.manifest.files)
    targets = [p.parent.name for p in paths if p.match(f"engines/*/{graph}.engine")]
    if not targets:
        raise BundleError(
            f"bundle {bundle.root}",
            f"has no engine of {graph}.onnx",
            f"build one on this machine: lapa-export {bundle.root} --target trt --board NAME",
        )
    return sorted(targets)


def find_engine(bundle: Bundle, targets: list[str], graph: str, host: Host) -> Path:
    """The engine that fits this machine; `BundleError` with every reason where none does."""
    refused: list[BundleError] = []
    for target in targets:
        try:
            return check_engine(bundle, target, graph, host)
        except BundleError as error:
            refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    reasons = "; ".join(f"{error.args[0]}: {error.args[1]}" for error in refused)
    raise BundleError(f"bundle {bundle.root}", f"no engine fits ({reasons})", refused[0].args[2])
