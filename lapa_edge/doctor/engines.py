"""What is wrong with a bundle's engines, as far as can be told without running them."""

from __future__ import annotations

from pathlib import PurePosixPath

from lapa_edge.artifact import Bundle
from lapa_edge.doctor.finding import Finding, Status
from lapa_edge.errors import LapaError
from lapa_edge.runtime.backends.sidecar import Host, check_engine
from lapa_edge.runtime.backends.tensorrt_library import find_tensorrt
from lapa_edge.runtime.backends.tensorrt_loading import ask_validity

SECTION = "bundle"
# Read off engines of TensorRT and of TensorRT for RTX: four letters that end so; in the latter's,
# the whole length in 8 bytes at 16. NVIDIA documents neither, so other headers only warn.
_MAGIC_END, _RTX_MAGIC, _RTX_LENGTH = b"trt", b"vtrt", slice(16, 24)


def check_engines(bundle: Bundle, broken: set[str], host: Host | None) -> list[Finding]:
    """Every engine of the manifest: its own header, then its sidecar against bundle and machine.

    TensorRT for RTX is asked as well, where it is to run them.


    Args:
        bundle: its manifest read, its files checked.
        broken: files that are not as they were written; nothing more is said of them.
        host: the machine that is to run them; None where there is no TensorRT.
    """
    names = sorted(name for name in bundle.manifest.files if name.endswith(".engine"))
    return [_engine(bundle, name, host) for name in names if not {name, f"{name}.json"} & broken]


def _engine(bundle: Bundle, name: str, host: Host | None) -> Finding:
    rebuild = f"build it on the robot: lapa-export {bundle.root} --target trt --board BOARD"
    if damage := header_damage(bundle.path(name).read_bytes()):
        return _finding(name, "fail", damage, rebuild)
    path = PurePosixPath(name)
    nowhere = host is None or host.compute_capability is None
    try:
        check_engine(bundle, path.parent.name, path.stem, host or Host("none", "", None))
        if host is not None and host.builder == "tensorrt-rtx":
            ask_validity(bundle.path(name), find_tensorrt("tensorrt-rtx"))
    except LapaError as error:
        _, problem, fix = error.args
        # A machine without a GPU runs no engine, so an engine for another machine is as it should
        # be; one of another graph, or with a damaged sidecar, is wrong everywhere.
        if nowhere and problem.startswith(("TensorRT:", "compute capability:")):
            return _finding(name, "info", f"not for this machine, which has no GPU: {problem}")
        return _finding(name, "fail", problem, fix or rebuild)
    return _finding(name, "ok", "its sidecar fits the graph and this machine")


def header_damage(data: bytes) -> str:
    """What of an engine's first bytes shows that it is none, or cut; "" where nothing does."""
    if len(data) < 64 or data[1:4] != _MAGIC_END:
        return f"is no TensorRT engine: it begins with {data[:4].hex(' ') or 'nothing'}"
    length = int.from_bytes(data[_RTX_LENGTH], "little")
    if data[:4] == _RTX_MAGIC and length != len(data):
        return f"is cut: its header says {length} bytes, got {len(data)}"
    return ""


def _finding(name: str, status: Status, found: str, remedy: str = "") -> Finding:
    return Finding(section=SECTION, name=name, status=status, found=found, remedy=remedy)
