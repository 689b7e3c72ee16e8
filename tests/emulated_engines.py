"""An emulated CUDA driver, and engines that run on it: neither a GPU nor JetPack is needed."""

import ctypes
from types import SimpleNamespace

import msgspec
import numpy as np

from lapa_edge.artifact import Bundle, extend_bundle
from lapa_edge.runtime.backends import opening, sidecar
from lapa_edge.runtime.backends.cuda_driver import CudaDriver
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.backends.tensorrt_library import TensorRT
from lapa_edge.runtime.profile import starting

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
    """``x f32 [1, 3] -> y f32 [1, 3]`` where y is twice x, at the addresses it was given.

    `become` makes it any other graph.
    """

    def __init__(self, emulated):
        self._emulated = emulated
        self.addresses, self.accepts, self.profiler = {}, True, None
        shape = (1, 3), np.dtype(np.float32)
        self._become({"x": shape}, {"y": shape}, lambda x: {"y": 2 * x})

    def become(self, graph):
        """Answer what an `OnnxGraph` does, with its inputs and outputs."""
        self._become(graph.inputs, graph.outputs, graph.run)

    def _become(self, inputs, outputs, run):
        self._inputs, self._run = inputs, run
        self.tensors = {**inputs, **outputs}
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, i):
        return [*self.tensors][i]

    def get_tensor_shape(self, name):
        return self.tensors[name][0]

    def get_tensor_mode(self, name):
        return "in" if name in self._inputs else "out"

    def get_tensor_dtype(self, name):
        return self.tensors[name][1]

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
        arrays = {name: self._array(name) for name in self._inputs}
        for name, answer in self._run(**arrays).items():
            self._array(name)[...] = answer
        if self.profiler is not None:
            self.profiler.report_layer_time("double", 0.5)
            self.profiler.report_layer_time("reformat", 0.25)

    def _array(self, name):
        shape, dtype = self.tensors[name]
        size = int(np.prod(shape)) * dtype.itemsize
        memory = (ctypes.c_uint8 * size).from_address(self.addresses[name])
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)


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


def emulated_tensorrt(emulated):
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
        TensorIOMode=SimpleNamespace(INPUT="in"),
        nptype=lambda dtype: dtype,
    )
    return TensorRT(module, "tensorrt", "10.3.0", "12.6")


def add_engine(bundle, emulated, library, monkeypatch) -> Bundle:
    """The bundle with an engine of its policy for the machine that is emulated from now on."""
    emulated.start()
    emulated.engine.become(OnnxGraph(bundle.path("policy.onnx")))
    for module in (opening, starting):
        monkeypatch.setattr(module, "CudaDriver", lambda: CudaDriver(str(emulated.path)))
    host = sidecar.Host(library.name, library.version, "8.7")
    monkeypatch.setattr(opening, "find_tensorrt", lambda: library)
    for module in (opening, sidecar):
        monkeypatch.setattr(module, "this_host", lambda: host)
    beside = sidecar.Sidecar(
        board="orin-nano", stand_in=False, builder=host.builder, builder_version=host.version,
        cuda="12.6", compute_capability="8.7", onnx="policy.onnx", precisions=("fp32",), flags=(),
        onnx_sha256=bundle.manifest.files["policy.onnx"].sha256,
    )  # fmt: skip
    name = "engines/orin-nano/policy.engine"
    files = {name: b"engine", f"{name}.json": msgspec.json.encode(beside)}
    return extend_bundle(bundle, files)
