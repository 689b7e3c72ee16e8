"""An emulated CUDA driver and an emulated TensorRT, where there is neither a GPU nor JetPack."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from emulated_engines import Emulated
from native_programs import find_tool

from lapa_edge.runtime.backends.tensorrt_library import TensorRT

SOURCE = Path(__file__).parent / "emulated_driver.c"


@pytest.fixture(scope="session")
def driver_library(tmp_path_factory):
    """The emulated ``libcuda`` as a file."""
    compiler = find_tool("engines run as the driver is told to", "cc", "gcc", "clang")
    path = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE)], check=True)
    return path


@pytest.fixture
def emulated(driver_library):
    """The emulated driver; `start` resets its counters."""
    return Emulated(driver_library)


@pytest.fixture
def library(emulated):
    """A TensorRT whose every engine is the emulated one, but for the bytes ``broken``."""

    class Base:
        ERROR, INTERNAL_ERROR = "error", "internal"

        def __init__(self):
            pass

    def runtime(logger):
        def deserialize(data):
            if data == b"broken":
                logger.log("error", "magicTag failed")
                return None
            return emulated.engine

        return SimpleNamespace(deserialize_cuda_engine=deserialize)

    module = SimpleNamespace(
        ILogger=Base,
        IProfiler=Base,
        Runtime=runtime,
        TensorIOMode=SimpleNamespace(INPUT="x"),
        nptype=lambda name: np.float32,
    )
    return TensorRT(module, "tensorrt", "10.3.0", "12.6")
