"""The TensorRT of this machine, found and named; nothing here imports it before it is asked to.

Full TensorRT comes with JetPack or from NVIDIA's packages and is imported as ``tensorrt``; TensorRT
for RTX comes from pip as ``tensorrt_rtx_bindings``. The exporter builds with what is found here,
the robot runs with it.
"""

from __future__ import annotations

import ctypes
import importlib
import re
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from lapa_edge.errors import MissingDependencyError

LibraryName = Literal["auto", "tensorrt", "tensorrt-rtx"]

INSTALL = (
    "pip install 'lapa-edge[trt-rtx]' (x86-64, no GPU needed), or on a Jetson the TensorRT of "
    "JetPack (apt install python3-libnvinfer)"
)
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True)
class TensorRT:
    """An installed TensorRT: its module, its name in the package's words, version and CUDA."""

    module: ModuleType
    name: Literal["tensorrt", "tensorrt-rtx"]
    version: str
    cuda: str


def find_tensorrt(name: LibraryName = "auto") -> TensorRT:
    """The installed TensorRT; with both there, the full one where a GPU can use it.

    Raises:
        MissingDependencyError: none is installed, or not the one asked for.
    """
    full = _import("tensorrt") if name != "tensorrt-rtx" else None
    rtx = _import_rtx() if name != "tensorrt" else None
    if full and (rtx is None or gpu_capability()):
        return TensorRT(full, "tensorrt", full.__version__, _cuda_version("tensorrt"))
    if rtx:
        return TensorRT(rtx, "tensorrt-rtx", rtx.__version__, _cuda_version("tensorrt_rtx"))
    wanted = "TensorRT" if name == "auto" else name
    raise MissingDependencyError(wanted, "not installed", INSTALL)


def collecting_logger(module: ModuleType) -> Any:
    """A logger whose `errors` collect TensorRT's own, so that they end in one message."""

    class Logger(module.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (module.ILogger.ERROR, module.ILogger.INTERNAL_ERROR):
                self.errors.append(message.strip())

    return Logger()


def gpu_capability() -> str | None:
    """Compute capability of the first GPU, ``"8.7"``; None where no driver or no GPU answers."""
    driver = _driver()
    if driver is None:
        return None
    device, value = ctypes.c_int(), ctypes.c_int()
    if driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    numbers = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        if driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        numbers.append(value.value)
    return f"{numbers[0]}.{numbers[1]}"


def _driver() -> Any:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None


def _cuda_version(distribution: str) -> str:
    """The driver's CUDA version; without a GPU the one the wheels were built for."""
    driver, value = _driver(), ctypes.c_int()
    if driver is not None and driver.cuDriverGetVersion(ctypes.byref(value)) == 0:
        return f"{value.value // 1000}.{value.value % 1000 // 10}"
    for found in distributions():
        name = (found.metadata["Name"] or "").replace("-", "_").lower()
        if match := re.match(rf"{distribution}_cu(\d+)", name):
            return match[1]
    return "unknown"


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):
        return None


def _import_rtx() -> ModuleType | None:
    module = _import("tensorrt_rtx_bindings")
    libraries = None if module else _import("tensorrt_rtx_libs")
    if module or libraries is None:
        return module
    # Bindings that do not find their libraries by themselves find them once they are loaded. The
    # parser needs the core library, which is the shorter name.
    folder = Path(next(iter(libraries.__path__)))
    for path in sorted(folder.glob("*.so*"), key=lambda path: len(path.name)):
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    return _import("tensorrt_rtx_bindings")
