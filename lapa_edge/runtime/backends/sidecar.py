"""What lies beside every engine: where it can run, checked before TensorRT sees a byte of it.

An engine is machine code for one GPU and one TensorRT. Deserialising one made for another fails
late and darkly at best; the sidecar makes it fail early and in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError
from lapa_edge.runtime.backends.tensorrt_library import find_tensorrt, gpu_capability


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an engine came to be; ``<name>.engine.json``.

    Attributes:
        board, precision: the recipe it was asked for, and in what.
        stand_in: whether `compute_capability` is another than the board's own.
        builder, builder_version, cuda: what built it.
        compute_capability: what it runs on.
        onnx, onnx_sha256: the graph it was built from.
        precisions: of the network's tensors.
        flags: in words.
    """

    board: str
    stand_in: bool
    builder: str
    builder_version: str
    cuda: str
    compute_capability: str
    onnx: str
    onnx_sha256: str
    precisions: tuple[str, ...]
    flags: tuple[str, ...]
    precision: str = "fp32"


@dataclass(frozen=True)
class Host:
    """The machine that is to run an engine; `compute_capability` is None without a GPU."""

    builder: str
    version: str
    compute_capability: str | None


def this_host() -> Host:
    """The installed TensorRT and the GPU; `MissingDependencyError` where there is no TensorRT."""
    library = find_tensorrt()
    return Host(library.name, library.version, gpu_capability())


def check_engine(bundle: Bundle, target: str, graph: str, host: Host | None = None) -> Path:
    """The path of ``engines/<target>/<graph>.engine``, once its sidecar fits bundle and machine.

    Args:
        bundle: verified, so that engine and sidecar are what was written.
        target: the folder below ``engines/``.
        graph: ``policy`` or ``action_head``.
        host: the machine to run it; this one where not given.

    Raises:
        BundleError: no such engine, an unreadable sidecar, an engine of another graph, TensorRT or
            GPU; says both sides, and the command that builds it anew.
    """
    name = f"engines/{target}/{graph}.engine"
    engine, beside = bundle.path(name), bundle.path(f"{name}.json")
    rebuild = f"lapa-export {bundle.root} --target trt --board"
    try:
        sidecar = msgspec.json.decode(beside.read_bytes(), type=Sidecar)
    except msgspec.MsgspecError as error:
        raise BundleError(name, f"its sidecar is damaged ({error})", f"{rebuild} BOARD") from error
    host = host or this_host()
    bundle.path(sidecar.onnx)  # raises where the bundle has no such graph
    graph_sha256 = bundle.manifest.files[sidecar.onnx].sha256
    sides = {
        f"graph {sidecar.onnx}": (sidecar.onnx_sha256[:12], graph_sha256[:12]),
        "TensorRT": (
            f"{sidecar.builder} {sidecar.builder_version}",
            f"{host.builder} {host.version}",
        ),
        "compute capability": (sidecar.compute_capability, host.compute_capability or "no GPU"),
    }
    for what, (built, here) in sides.items():
        if built != here:
            raise BundleError(
                name,
                f"{what}: it was built for {built}, here is {here}",
                f"build it here: {rebuild} {sidecar.board} --precision {sidecar.precision}",
            )
    return engine
