"""TensorRT's builder API as three versions of it are, no more: what is not there raises.

    10.3     JetPack 6.2: strongly typed networks are asked for; precision flags and calibrators
             are there, and a strongly typed network must not be built with them
    10.16    the same names
    11       no precision flags, no calibrators; the flag for strongly typed networks may be gone

A build reads the ONNX with `tensorrt_operators`, so that a graph which 10.3 lacks an operator for
fails here as well. The engine is nothing; `timed` counts the layers a build had to time.
"""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import onnx
from onnx import TensorProto, shape_inference
from tensorrt_operators import why_not_read

_DTYPES = {
    TensorProto.FLOAT: "FLOAT", TensorProto.FLOAT16: "HALF", TensorProto.BFLOAT16: "BF16",
    TensorProto.INT8: "INT8", TensorProto.FLOAT8E4M3FN: "FP8", TensorProto.INT64: "INT64",
    TensorProto.INT32: "INT32", TensorProto.BOOL: "BOOL",
}  # fmt: skip
_OLD_FLAGS = ("FP16", "INT8", "BF16", "FP8")


class Logger:
    """``ILogger``."""

    ERROR, INTERNAL_ERROR = "error", "internal error"


class FakeTensorRT:
    """The module ``tensorrt`` of one version."""

    ILogger = Logger

    def __init__(self, version: str, creation_flag: bool = True) -> None:
        self.__version__, self.timed = version, 0
        self.major = int(version.split(".", maxsplit=1)[0])
        flags = {"STRONGLY_TYPED": 1} if creation_flag else {}
        if self.major < 11:
            flags["EXPLICIT_BATCH"] = 0
        self.NetworkDefinitionCreationFlag = SimpleNamespace(**flags)
        names = ["TF32", "DEBUG", *(_OLD_FLAGS if self.major < 11 else ())]
        self.BuilderFlag = SimpleNamespace(**{name: name for name in names})
        self.strongly_typed_by_itself = self.major >= 11

    def Builder(self, logger):  # noqa: N802 - as TensorRT calls it
        return _Builder(self, logger)

    def OnnxParser(self, network, logger):  # noqa: N802
        return _Parser(self, network)


class _Builder:
    def __init__(self, trt, logger):
        self._trt, self._logger = trt, logger

    def create_network(self, flags):
        return _Network(self._trt.strongly_typed_by_itself or bool(flags & 1 << 1))

    def create_builder_config(self):
        return _Config(self._trt)

    def build_serialized_network(self, network, config):
        if not network.strongly_typed:
            self._logger.log(Logger.ERROR, "Q and DQ need a strongly typed network or a flag")
            return None
        if config.flags & set(_OLD_FLAGS):
            self._logger.log(Logger.ERROR, "no precision flag in a strongly typed network")
            return None
        cache = config.cache.known if config.cache else set()
        self._trt.timed += len(network.layers_by_hash.keys() - cache)
        cache.update(network.layers_by_hash)
        tf32 = "TF32" in config.flags
        return json.dumps([self._trt.__version__, tf32, *network.layers_by_hash]).encode()


class _Network:
    def __init__(self, strongly_typed):
        self.strongly_typed, self._layers, self.layers_by_hash = strongly_typed, [], {}

    @property
    def num_layers(self):
        return len(self._layers)

    def get_layer(self, i):
        return self._layers[i]

    def fill(self, model):
        graph = shape_inference.infer_shapes(model, strict_mode=True).graph
        values = (*graph.output, *graph.value_info)
        types = {v.name: _DTYPES[v.type.tensor_type.elem_type] for v in values}
        for node in graph.node:
            outputs = [SimpleNamespace(dtype=SimpleNamespace(name=types[x])) for x in node.output]
            layer = SimpleNamespace(num_outputs=len(outputs), get_output=outputs.__getitem__)
            self._layers.append(layer)
            told = hashlib.sha256(node.SerializeToString(deterministic=True)).hexdigest()
            self.layers_by_hash[told] = layer


class _Parser:
    def __init__(self, trt, network):
        self._network, self._problems = network, []

    @property
    def num_errors(self):
        return len(self._problems)

    def get_error(self, i):
        return SimpleNamespace(desc=lambda: self._problems[i])

    def parse(self, data):
        model = onnx.load_model_from_string(data)
        self._problems = why_not_read(model)
        if not self._problems:
            self._network.fill(model)
        return not self._problems


class _Config:
    def __init__(self, trt):
        self._trt, self.flags, self.cache = trt, {"TF32"}, None

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def set_flag(self, flag):
        self.flags.add(flag)

    def create_timing_cache(self, data):
        version, known = json.loads(data) if data else (self._trt.__version__, [])
        return _TimingCache(version, known)

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.version != self._trt.__version__ and not ignore_mismatch:
            return False
        self.cache = cache
        return True


class _TimingCache:
    def __init__(self, version, known):
        self.version, self.known = version, set(known)

    def serialize(self):
        return json.dumps([self.version, sorted(self.known)]).encode()
