"""An engine's bytes to something that runs: where TensorRT and TensorRT for RTX differ in loading.

                          tensorrt                      tensorrt_rtx_bindings
    asked beforehand      nothing: it refuses as it     whether the engine is valid here, and if
                          loads                         not, why (`check_valid`)
    compiles kernels      as it builds                  as the context is made, at every start,
                                                        but for those in its runtime cache
    CUDA graphs           ours                          ours; its own are switched off

The cache is a file of the bundle beside its engine, ``policy.engine.cache``, which the export's
build step writes on the GPU itself (`export.engines`); nothing is written while a robot runs. RTX
looks whether a cache fits GPU, driver and version; one that does not is told of and left unread.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lapa_edge.errors import BundleError
from lapa_edge.runtime.backends.tensorrt_library import TensorRT, collecting_logger

CACHE = ".cache"  # after the engine's own name

log = logging.getLogger(__name__)

_REBUILD = "build it here: lapa-export BUNDLE --target trt --board BOARD"
# What EngineInvalidityDiagnostics names, in words, and what to do.
_INVALID = {
    "VERSION_MISMATCH": ("it is of another version of TensorRT for RTX", _REBUILD),
    "UNSUPPORTED_CC": ("it is for GPUs of another compute capability", _REBUILD),
    "OLD_CUDA_DRIVER": ("the CUDA driver is too old for it", "update the GPU's driver"),
    "OLD_CUDA_RUNTIME": ("the CUDA runtime is too old for it", "update CUDA"),
    "INSUFFICIENT_GPU_MEMORY": ("the GPU has too little memory for it", "free GPU memory"),
    "MALFORMED_ENGINE": ("it is damaged, or no engine", _REBUILD),
    "CUDA_ERROR": ("CUDA fails on this machine", "run lapa-doctor, which looks at the driver"),
}


class LoadedEngine:
    """A deserialised engine with its execution context; its logger must live as long.

    Args:
        path: the engine's file, for messages as well.
        library: what it is run by.
        cache: kernels that TensorRT for RTX compiled before, or nothing.

    Raises:
        BundleError: TensorRT refuses it; its own words follow.
    """

    def __init__(self, path: Path, library: TensorRT, cache: bytes = b"") -> None:
        self.engine, self.logger = read_engine(path, library)
        self._kernels: Any = None
        if library.name == "tensorrt":
            self.context = self.engine.create_execution_context()
        else:
            config = self.engine.create_runtime_config()
            # It can capture graphs by itself; ours is captured the same way under both.
            config.cuda_graph_strategy = library.module.CudaGraphStrategy.DISABLED
            self._kernels = _kernel_cache(config, path, cache)
            self.context = self.engine.create_execution_context(config)
        if self.context is None:
            raise _refused(path, library, self.logger)

    def kernels(self) -> bytes | None:
        """The kernels compiled so far, for `cache`; None of a TensorRT that compiles none here."""
        return None if self._kernels is None else bytes(self._kernels.serialize())


def read_engine(path: Path, library: TensorRT) -> tuple[Any, Any]:
    """The deserialised engine and its logger; both must live as long as the engine does.

    Raises:
        BundleError: it is not valid here, or TensorRT refuses it.
    """
    logger = collecting_logger(library.module)
    runtime = library.module.Runtime(logger)
    data = path.read_bytes()
    if library.name == "tensorrt-rtx":
        check_valid(path, data, runtime, library)
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise _refused(path, library, logger)
    logger.runtime = runtime
    return engine, logger


def ask_validity(path: Path, library: TensorRT) -> None:
    """Ask TensorRT for RTX about an engine that is not to be loaded; see `check_valid`."""
    runtime = library.module.Runtime(collecting_logger(library.module))
    check_valid(path, path.read_bytes(), runtime, library)


def check_valid(path: Path, data: bytes, runtime: Any, library: TensorRT) -> None:
    """Ask TensorRT for RTX about an engine before it deserialises a byte of it.

    Invalid without a reason is what it says where no GPU answers; then loading tells more.

    Raises:
        BundleError: invalid, for the reasons it gives.
    """
    trt = library.module
    validity, diagnostics = runtime.get_engine_validity(data)
    if validity == trt.EngineValidity.SUBOPTIMAL:
        log.warning("engine %s runs here, and one built here would be faster", path)
    if validity != trt.EngineValidity.INVALID:
        return
    members = trt.EngineInvalidityDiagnostics.__members__
    names = [name for name, bit in members.items() if int(bit) & int(diagnostics)]
    if names:
        told = [_INVALID.get(name, (name, _REBUILD)) for name in names]
        raise BundleError(
            f"engine {path}",
            f"{library.name} {library.version} says that it is not valid here: "
            f"{' and '.join(words for words, _ in told)}",
            told[0][1],
        )


def _kernel_cache(config: Any, path: Path, cache: bytes) -> Any:
    kernels = config.create_runtime_cache()
    if cache and not kernels.deserialize(cache):
        log.warning(
            "%s%s is of another GPU, driver or TensorRT: kernels are compiled at every start; "
            "lapa-export BUNDLE --target trt --steps build,verify keeps those of this machine",
            path,
            CACHE,
        )
    config.set_runtime_cache(kernels)
    return kernels


def _refused(path: Path, library: TensorRT, logger: Any) -> BundleError:
    problems = "; ".join(logger.errors) or "it gave no reason"
    return BundleError(
        f"engine {path}",
        f"{library.name} {library.version} refuses it ({problems})",
        "where the GPU answers (lapa-doctor), build it again with lapa-export --target trt",
    )
