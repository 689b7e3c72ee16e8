"""What this machine can do at best: probe.cpp, compiled for the instruction set that runs.

Compiled anew for each run, into a folder that goes away with it; needs g++ or clang++ (``CXX``).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.report import Gauges
from bench.rounds import Run
from lapa_edge.errors import ConfigError, MissingDependencyError

# As cmake/simd.cmake has them.
AVX2 = ("-mavx2", "-mfma", "-mbmi", "-mbmi2")
FLAGS: dict[str, tuple[str, ...]] = {
    "scalar": (),
    "avx2": AVX2,
    "avx512": (*AVX2, *(f"-mavx512{part}" for part in ("f", "bw", "dq", "vl", "vnni", "vbmi"))),
    "neon": (),
    "neon_dotprod": ("-march=armv8.2-a+dotprod",),
}
HUGE_PAGE = 2 << 20
CURVE_BYTES = tuple(1 << power for power in range(14, 27))  # 16 KB to 64 MB
SIZE, POINTER = ctypes.c_size_t, ctypes.c_void_p


class Probe:
    """The compiled probe and its buffers. Every method returns the work as a `Run`."""

    def __init__(self, instruction_set: str) -> None:
        self._library = _compile(FLAGS[instruction_set])
        self._step: int = self._library.probe_step()
        self._buffers = [Buffer(CURVE_BYTES[-1]) for _ in range(2)]

    def read(self, size: int) -> Run:
        """Reads a buffer of `size` bytes, always the same one."""
        source, size = self._buffers[0].address, self._rounded(size)
        return lambda calls: self._library.probe_read(source, size, calls)

    def move(self, read: int, written: int, pieces: int) -> Run:
        """Reads and writes so many bytes in turn, in `pieces` parts."""
        source, target = (buffer.address for buffer in self._buffers)
        read, written = self._rounded(read), self._rounded(written)
        move = self._library.probe_move
        return lambda calls: move(source, read, target, written, pieces, calls)

    def multiply(self, products: int) -> Run:
        """So many float32 multiply-adds in registers."""
        return lambda calls: self._library.probe_multiply(products, calls)

    def dot(self, products: int) -> Run:
        """So many int8 multiply-adds in registers."""
        return lambda calls: self._library.probe_dot(products, calls)

    def gauge(self, repeats: int = 30) -> Gauges:
        """The machine in numbers: the best of `repeats`, since noise only ever takes away."""
        big = CURVE_BYTES[-1]
        products = 1 << 22
        return Gauges(
            read_gb_s={
                size: _best_rate(self.read(size), size, repeats, calls=max(1, (4 << 20) // size))
                for size in CURVE_BYTES
            },
            copy_gb_s=2 * _best_rate(self.move(big, big, 1024), big, repeats // 3),
            multiply_gflop_s=2 * _best_rate(self.multiply(products), products, repeats),
            dot_gop_s=2 * _best_rate(self.dot(products), products, repeats),
        )

    def _rounded(self, size: int) -> int:
        return -(-size // self._step) * self._step


class Buffer:
    """Memory in huge pages where the system gives them: 4 KB pages collide in a cache by chance."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size + HUGE_PAGE)
        self._memory.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(self._memory, np.uint8)
        whole[:] = 1  # so that it exists
        self.address: int = whole.ctypes.data + -whole.ctypes.data % HUGE_PAGE


def _best_rate(run: Run, amount: int, repeats: int, calls: int = 1) -> float:
    """The most that was done in a nanosecond."""
    best_ns = min(_time_ns(run, calls) for _ in range(max(1, repeats)))
    return amount * calls / best_ns


def _time_ns(run: Callable[[int], object], calls: int) -> int:
    start = time.perf_counter_ns()
    run(calls)
    return time.perf_counter_ns() - start


def _compile(flags: tuple[str, ...]) -> ctypes.CDLL:
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise MissingDependencyError(
            f"the compiler {compiler}", "not found, and the floors are measured in C++",
            "apt-get install g++, or name another one in CXX",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "probe.so"
        source = Path(__file__).with_name("probe.cpp")
        command = [compiler, "-std=c++17", "-O3", "-ffp-contract=fast", "-shared", "-fPIC"]
        built = subprocess.run(
            [*command, *flags, str(source), "-o", str(library)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if built.returncode:
            raise ConfigError("probe.cpp", f"{compiler} refused it:\n{built.stderr}")
        loaded = ctypes.CDLL(str(library))  # stays loaded when the file is gone
    loaded.probe_step.restype = SIZE
    loaded.probe_read.argtypes = [POINTER, SIZE, SIZE]
    loaded.probe_move.argtypes = [POINTER, SIZE, POINTER, SIZE, SIZE, SIZE]
    loaded.probe_multiply.argtypes = loaded.probe_dot.argtypes = [SIZE, SIZE]
    return loaded
