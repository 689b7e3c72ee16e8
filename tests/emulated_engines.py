"""An emulated CUDA driver, and engines that run on it: neither a GPU nor JetPack is needed."""

import ctypes

import numpy as np

from lapa_edge.runtime.backends.cuda_driver import CudaDriver

CAPTURING, ALLOCATED, ENTERED, LAUNCHES, WAITS = range(5)


class Emulated:
    """The driver, with its counters, and the engine that answers twice its input."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))
        self.engine = EmulatedEngine(self)
        self._launched = ctypes.CFUNCTYPE(None)(self.engine.compute)
        self.path = path

    def start(self, devices=1, fail_capture=False):
        self._library.emulate(devices, int(fail_capture), self._launched)
        return CudaDriver(str(self.path))

    def count(self, what):
        return self._library.emulated(what)


class EmulatedEngine:
    """``x f32 [1, 3] -> y f32 [1, 3]``: y is twice x, at the addresses it was given."""

    def __init__(self, emulated):
        self._emulated = emulated
        self.addresses, self.accepts, self.shape = {}, True, (1, 3)
        self.num_io_tensors, self.profiler = 2, None

    def get_tensor_name(self, i):
        return "xy"[i]

    def get_tensor_shape(self, name):
        return self.shape

    def get_tensor_mode(self, name):
        return name

    def get_tensor_dtype(self, name):
        return "float"

    def create_execution_context(self):
        return self

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        if not self.accepts:
            return False
        if not self._emulated.count(CAPTURING):
            self.compute()
        return True

    def compute(self):
        x, y = (
            np.ctypeslib.as_array(
                ctypes.cast(self.addresses[name], ctypes.POINTER(ctypes.c_float)), (3,)
            )
            for name in "xy"
        )
        y[:] = 2 * x
        if self.profiler is not None:
            self.profiler.report_layer_time("double", 0.5)
            self.profiler.report_layer_time("reformat", 0.25)


class RtxRuntime:
    """TensorRT for RTX as far as loading goes: asked first, and compiling what is not cached."""

    class Validity:
        VALID, SUBOPTIMAL, INVALID = "valid", "suboptimal", "invalid"

    def __init__(self, engine):
        self.engine, self.says = engine, (self.Validity.VALID, 0)
        self.deserialised = self.compiled = 0
        engine.create_runtime_config = RtxConfig
        engine.create_execution_context = self.create_execution_context

    def get_engine_validity(self, data):
        return self.says

    def deserialize_cuda_engine(self, data):
        self.deserialised += 1
        return self.engine

    def create_execution_context(self, config):
        assert config.cuda_graph_strategy is not None
        self.compiled += not config.cache.kernels
        config.cache.kernels = b"kernels of this machine"
        return self.engine


class RtxConfig:
    cuda_graph_strategy, cache = None, None

    def create_runtime_cache(self):
        return RtxCache()

    def set_runtime_cache(self, cache):
        self.cache = cache
        return True


class RtxCache:
    kernels = b""

    def deserialize(self, data):
        fits = data == b"kernels of this machine"
        self.kernels = data if fits else b""
        return fits

    def serialize(self):
        return self.kernels
