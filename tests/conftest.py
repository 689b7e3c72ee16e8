"""Fixtures that several rooms share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "runtime" / "backends" / "emulated_driver.c"

# Helpers that lie beside the tests: bundles.py and its like.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips and demonstrations beside the checkout; they are not part of the repository."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"NO REAL DATA: {path} is absent, so this claim was not checked")
    return path


@pytest.fixture(scope="session")
def driver_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The emulated ``libcuda`` as a file."""
    from native_programs import find_tool

    compiler = find_tool("engines run as the driver is told to", "cc", "gcc", "clang")
    path = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(DRIVER)], check=True)
    return path


@pytest.fixture
def emulated(driver_library):
    """The emulated driver; `start` resets its counters."""
    from emulated_engines import Emulated

    return Emulated(driver_library)


@pytest.fixture
def library(emulated):
    """A TensorRT whose every engine is the emulated one, but for the bytes ``broken``."""
    from emulated_engines import emulated_tensorrt

    return emulated_tensorrt(emulated)
