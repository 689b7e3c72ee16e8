"""The one module that knows how TensorRT and TensorRT for RTX differ.

                          tensorrt                        tensorrt_rtx_bindings
    comes with            JetPack, or NVIDIA's packages   pip, x86-64
    builds on             the GPU it builds for           any machine, GPU or not
    builds for            that GPU                        a capability from its own list
    strongly typed        asked for (the rule from 11)    always

Precision lives in the ONNX graph. No precision flag is set, and TF32, which would round float32
products to 10 bits, is switched off. Nothing here imports TensorRT before it is asked to.
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

from lapa_edge.errors import ConfigError, LapaError, MissingDependencyError

BuilderName = Literal["auto", "tensorrt", "tensorrt-rtx"]

INSTALL = (
    "pip install 'lapa-edge[trt-rtx]' (x86-64, no GPU needed), or on a Jetson the TensorRT of "
    "JetPack (apt install python3-libnvinfer)"
)
_PRECISIONS = {
    "FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8", "FP4": "fp4",
}  # fmt: skip
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True)
class Builder:
    """An installed TensorRT: its module, its name in the package's words, version and CUDA."""

    module: ModuleType
    name: Literal["tensorrt", "tensorrt-rtx"]
    version: str
    cuda: str

    def capabilities(self) -> list[str]:
        """What it builds for: the list it knows, or this machine's GPU."""
        if self.name == "tensorrt":
            gpu = gpu_capability()
            return [gpu] if gpu else []
        found = (re.fullmatch(r"SM(\d+)(\d)", x) for x in self.module.ComputeCapability.__members__)
        return [f"{match[1]}.{match[2]}" for match in found if match]


@dataclass(frozen=True)
class BuiltEngine:
    """A serialized engine, the precisions of its network, and the flags it was built with."""

    data: bytes
    precisions: tuple[str, ...]
    flags: tuple[str, ...]


def find_builder(name: BuilderName = "auto") -> Builder:
    """The installed TensorRT; with both there, the full one where a GPU can use it.

    Raises:
        MissingDependencyError: none is installed, or not the one asked for.
    """
    full = _import("tensorrt") if name != "tensorrt-rtx" else None
    rtx = _import_rtx() if name != "tensorrt" else None
    if full and (rtx is None or gpu_capability()):
        return Builder(full, "tensorrt", full.__version__, _cuda_version("tensorrt"))
    if rtx:
        return Builder(rtx, "tensorrt-rtx", rtx.__version__, _cuda_version("tensorrt_rtx"))
    wanted = "TensorRT" if name == "auto" else name
    raise MissingDependencyError(wanted, "not installed", INSTALL)


def build_engine(
    builder: Builder, graph: bytes, thing: str, capability: str, allowed: tuple[str, ...]
) -> BuiltEngine:
    """Build one ONNX graph, in exactly the precisions that stand in it.

    Args:
        builder: from `find_builder`.
        graph: a single-file ONNX model with static shapes.
        thing: its name, for messages.
        capability: ``"8.6"``; one of ``builder.capabilities()``.
        allowed: precisions the target can compute in; anything else is refused before building.

    Raises:
        ConfigError: a precision the target does not have, or a capability not built for.
        LapaError: TensorRT refuses the graph; its own words follow.
    """
    if capability not in builder.capabilities():
        known = ", ".join(builder.capabilities()) or "none: no GPU answers"
        raise ConfigError(
            f"compute capability {capability}",
            f"{builder.name} {builder.version} builds here for {known}",
            "build on the board itself",
        )
    trt = builder.module
    logger = _logger(trt)
    trt_builder = trt.Builder(logger)
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = trt_builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        problems = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise LapaError(thing, f"{builder.name} {builder.version} cannot read it ({problems})")
    precisions = _precisions(network)
    if missing := [p for p in precisions if p not in allowed]:
        raise ConfigError(
            thing,
            f"it computes in {', '.join(missing)}, the target in {', '.join(allowed)} only",
            "export it in another precision",
        )
    config = trt_builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if builder.name == "tensorrt-rtx":
        config.num_compute_capabilities = 1
        member = "SM" + capability.replace(".", "")
        config.set_compute_capability(trt.ComputeCapability.__members__[member], 0)
    data = trt_builder.build_serialized_network(network, config)
    if data is None:
        problems = "; ".join(logger.errors) or "it gave no reason"
        raise LapaError(thing, f"{builder.name} {builder.version} cannot build it ({problems})")
    return BuiltEngine(bytes(data), precisions, ("STRONGLY_TYPED", "no TF32"))


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


def _logger(trt: ModuleType) -> Any:
    """Collects TensorRT's errors, so that they end in one message and not on the console."""

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message.strip())

    return Logger()


def _precisions(network: Any) -> tuple[str, ...]:
    """Floating and quantized types of every tensor in the network."""
    found = set()
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        for j in range(layer.num_outputs):
            found.add(layer.get_output(j).dtype.name)
    return tuple(sorted(_PRECISIONS[name] for name in found if name in _PRECISIONS))
