"""Which packages are here, in which versions, and what is missing for what."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from lapa_edge.doctor.finding import Finding, Status

SECTION = "installed"
REQUIRED = ("numpy", "onnxruntime", "safetensors", "msgspec", "tyro", "rich")
# Module, what it is for, and the command that brings it.
OPTIONAL = (
    ("torch", "training and export", "pip install 'lapa-edge[export]'"),
    ("onnx", "engines and export", "pip install 'lapa-edge[engines]'"),
    ("av", "video files", "pip install 'lapa-edge[train]'"),
    ("metaworld", "closed-loop runs in Meta-World", "pip install 'lapa-edge[demo]'"),
    ("rclpy", "the ROS 2 node", "install ROS 2 and source its setup.bash"),
)
# One module, several packages that bring it.
_DISTRIBUTIONS = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime_gpu", "onnxruntime-directml")
}
NATIVE_FIX = "run `pip install .` in the repository; it needs CMake and a C++ compiler"


def check_installed() -> list[Finding]:
    """Python, this package, its native module, what it needs, and what else it can use."""
    return [
        _python(),
        _native(),
        *(_required(name) for name in REQUIRED),
        _providers(),
        *(_optional(*row) for row in OPTIONAL),
    ]


def _finding(name: str, status: Status, found: str, remedy: str = "") -> Finding:
    return Finding(section=SECTION, name=name, status=status, found=found, remedy=remedy)


def _python() -> Finding:
    ours = _version_of("lapa-edge") or "a checkout, not installed"
    words = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return _finding("python", "ok", f"{words}; lapa-edge {ours}")


def _native() -> Finding:
    try:
        from lapa_edge import _native
    except ImportError as error:
        return _finding("native module", "fail", f"does not load ({error})", NATIVE_FIX)
    cuda = "with" if _native.built_with_cuda() else "without"
    return _finding("native module", "ok", f"loads; built {cuda} CUDA kernels")


def _required(name: str) -> Finding:
    found = _version_of(name)
    if found is None:
        return _finding(name, "fail", "not installed", f"pip install {name}")
    return _finding(name, "ok", found)


def _optional(module: str, purpose: str, command: str) -> Finding:
    # Not imported: torch takes seconds, and may be what is broken.
    if find_spec(module) is None:
        return _finding(module, "info", f"not installed; for {purpose}: {command}")
    return _finding(module, "ok", f"{_version_of(module) or 'installed'}; for {purpose}")


def _providers() -> Finding:
    try:
        import onnxruntime
    except ImportError as error:
        fix = "pip install --force-reinstall onnxruntime"
        return _finding("providers", "fail", f"ONNX Runtime does not load ({error})", fix)
    return _finding("providers", "ok", ", ".join(onnxruntime.get_available_providers()))


def _version_of(name: str) -> str | None:
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None
