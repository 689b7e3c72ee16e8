"""The dozen calls of the CUDA driver that running an engine takes.

By ctypes on ``libcuda``, which is there wherever a GPU is: no toolkit, no package to match with
JetPack. Handles are plain integers.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import LapaError, MissingDependencyError

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
_ARGUMENTS: dict[str, list[Any]] = {
    "cuInit": [c_uint],
    "cuDevicePrimaryCtxRetain": [c_void_p, c_int],
    "cuCtxSetCurrent": [c_void_p],
    "cuMemAlloc_v2": [c_void_p, c_size_t],
    "cuMemFree_v2": [c_void_p],
    "cuMemGetInfo_v2": [c_void_p, c_void_p],
    "cuMemHostAlloc": [c_void_p, c_size_t, c_uint],
    "cuMemFreeHost": [c_void_p],
    "cuMemcpyHtoDAsync_v2": [c_void_p, c_void_p, c_size_t, c_void_p],
    "cuMemcpyDtoHAsync_v2": [c_void_p, c_void_p, c_size_t, c_void_p],
    "cuStreamCreate": [c_void_p, c_uint],
    "cuStreamSynchronize": [c_void_p],
    "cuStreamBeginCapture_v2": [c_void_p, c_int],
    "cuStreamEndCapture": [c_void_p, c_void_p],
    "cuGraphInstantiateWithFlags": [c_void_p, c_void_p, c_ulonglong],
    "cuGraphLaunch": [c_void_p, c_void_p],
    "cuEventCreate": [c_void_p, c_uint],
    "cuEventRecord": [c_void_p, c_void_p],
    "cuEventElapsedTime": [c_void_p, c_void_p, c_void_p],
    "cuGetErrorName": [c_int, c_void_p],
}


class CudaDriver:
    """The first GPU's primary context, the one that TensorRT works in, too.

    Raises:
        MissingDependencyError: no driver, or no GPU answers it.
    """

    def __init__(self, library: str = "libcuda.so.1") -> None:
        fix = 'check the GPU (nvidia-smi, on a Jetson tegrastats), or choose the device "cpu"'
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise MissingDependencyError("CUDA driver", f"{library} is not there", fix) from error
        for name, arguments in _ARGUMENTS.items():
            getattr(self._library, name).argtypes = arguments
        self._context = c_void_p()
        try:
            self._call("cuInit", 0)
            self._call("cuDevicePrimaryCtxRetain", byref(self._context), 0)
            self.enter()
        except LapaError as error:
            raise MissingDependencyError("GPU", f"none answers ({error})", fix) from error

    def enter(self) -> None:
        """Make the GPU this thread's; before anything else in each thread."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> int:
        """Device memory of `size` bytes."""
        return self._made("cuMemAlloc_v2", max(size, 1))

    def free(self, memory: int) -> None:
        """Give back what `allocate` gave."""
        self._call("cuMemFree_v2", memory)

    def used_bytes(self) -> int:
        """What of the device's memory is taken, by whomever."""
        left, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", byref(left), byref(total))
        return total.value - left.value

    def allocate_pinned(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic]
    ) -> NDArray[np.generic]:
        """An array in page-locked memory, which the GPU copies from and to without the CPU."""
        size = int(np.prod(shape)) * dtype.itemsize
        address = self._made("cuMemHostAlloc", max(size, 1), 0)
        memory = (ctypes.c_uint8 * size).from_address(address)
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def free_pinned(self, array: NDArray[np.generic]) -> None:
        """Give back what `allocate_pinned` gave; the array must not be touched afterwards."""
        self._call("cuMemFreeHost", array.ctypes.data)

    def copy_in(self, memory: int, array: NDArray[np.generic], stream: int) -> None:
        """Queue a pinned array's way to the device."""
        self._call("cuMemcpyHtoDAsync_v2", memory, array.ctypes.data, array.nbytes, stream)

    def copy_out(self, array: NDArray[np.generic], memory: int, stream: int) -> None:
        """Queue the way back into a pinned array."""
        self._call("cuMemcpyDtoHAsync_v2", array.ctypes.data, memory, array.nbytes, stream)

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""
        return self._made("cuStreamCreate", _NON_BLOCKING)

    def wait(self, stream: int) -> None:
        """Until all that is queued is done."""
        self._call("cuStreamSynchronize", stream)

    def begin_capture(self, stream: int) -> None:
        """From now on, what is queued is recorded in place of run."""
        self._call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)

    def end_capture(self, stream: int) -> int:
        """The CUDA graph of what was queued since, ready to launch."""
        graph = self._made_by("cuStreamEndCapture", lambda out: (stream, out))
        return self._made("cuGraphInstantiateWithFlags", graph, 0)

    def launch(self, graph: int, stream: int) -> None:
        """Queue a captured graph."""
        self._call("cuGraphLaunch", graph, stream)

    def create_event(self) -> int:
        """A mark in a stream that knows its time."""
        return self._made("cuEventCreate", 0)

    def record(self, event: int, stream: int) -> None:
        """Queue a mark."""
        self._call("cuEventRecord", event, stream)

    def elapsed_ns(self, start: int, end: int) -> int:
        """Nanoseconds between two marks that have passed, by the GPU's clock (steps of 0.5 us)."""
        milliseconds = c_float()
        self._call("cuEventElapsedTime", byref(milliseconds), start, end)
        return round(milliseconds.value * 1e6)

    def _made(self, name: str, *arguments: Any) -> int:
        return self._made_by(name, lambda out: (out, *arguments))

    def _made_by(self, name: str, arguments: Any) -> int:
        """A call that returns a handle through the pointer in `arguments(pointer)`."""
        handle = c_void_p()
        self._call(name, *arguments(byref(handle)))
        assert handle.value is not None
        return handle.value

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._library, name)(*arguments):
            word = c_char_p()
            self._library.cuGetErrorName(status, byref(word))
            said = word.value.decode() if word.value else f"error {status}"
            fix = "free GPU memory" if said == "CUDA_ERROR_OUT_OF_MEMORY" else ""
            raise LapaError("CUDA", f"{name}: {said}", fix)
