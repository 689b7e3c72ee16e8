"""The one module that knows how TensorRT and TensorRT for RTX differ in building.

                          tensorrt                        tensorrt_rtx_bindings
    comes with            JetPack, or NVIDIA's packages   pip, x86-64
    builds on             the GPU it builds for           any machine, GPU or not
    builds for            that GPU                        a capability from its own list
    strongly typed        asked for (the rule from 11)    always
    timing cache          yes: a second build is quick    no: it is there, and holds nothing
    compiles kernels      as it builds                    as it loads an engine: see the runtime's
                                                          `tensorrt_loading`

                          TensorRT 10                     TensorRT 11
    FP16, INT8, ... flags deprecated, not used here       removed
    calibrators           deprecated, not used here       removed: Q and DQ in the graph

Precision lives in the ONNX graph, so that what 11 removed is not missed. TF32, which would round
float32 products to 10 bits, is switched off. Nothing here imports TensorRT before it is asked to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from lapa_edge.errors import ConfigError, LapaError
from lapa_edge.export.board import Board
from lapa_edge.runtime.backends.tensorrt_library import (
    LibraryName,
    TensorRT,
    collecting_logger,
    find_tensorrt,
    gpu_capability,
)

BuilderName: TypeAlias = LibraryName

_PRECISIONS = {
    "FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8", "FP4": "fp4",
}  # fmt: skip


@dataclass(frozen=True)
class Builder(TensorRT):
    """An installed TensorRT that builds engines."""

    def capabilities(self) -> list[str]:
        """What it builds for: the list it knows, or this machine's GPU."""
        if self.name == "tensorrt":
            gpu = gpu_capability()
            return [gpu] if gpu else []
        found = (re.fullmatch(r"SM(\d+)(\d)", x) for x in self.module.ComputeCapability.__members__)
        return [f"{match[1]}.{match[2]}" for match in found if match]


@dataclass(frozen=True)
class BuiltEngine:
    """A serialized engine, the precisions of its network, and the flags it was built with.

    `timing_cache` makes the next build on this machine quick; None where the builder has none.
    """

    data: bytes
    precisions: tuple[str, ...]
    flags: tuple[str, ...]
    timing_cache: bytes | None = None


def find_builder(name: BuilderName = "auto") -> Builder:
    """The installed TensorRT; with both there, the full one where a GPU can use it.

    Raises:
        MissingDependencyError: none is installed, or not the one asked for.
    """
    found = find_tensorrt(name)
    return Builder(found.module, found.name, found.version, found.cuda)


def choose_capability(board: Board, builder: Builder) -> tuple[str, bool]:
    """The compute capability to build for, and whether it only stands in for the board's own.

    Raises:
        ConfigError: this builder, here, cannot build for the board, or is older than its recipe.
    """
    possible = builder.capabilities()
    if board.compute_capability in possible:
        _check_version(board, builder)
        return board.compute_capability, False
    if builder.name == "tensorrt-rtx" and board.rtx_stand_in in possible:
        return board.rtx_stand_in, True
    raise ConfigError(
        f"board {board.name}",
        f"needs compute capability {board.compute_capability}, {builder.name} {builder.version} "
        f"builds here for {', '.join(possible) or 'none: no GPU answers'}",
        "run this command on the board itself, with the TensorRT installed there",
    )


def _check_version(board: Board, builder: Builder) -> None:
    """TensorRT for RTX counts its versions by itself; the package asks for one that will do."""
    if builder.name == "tensorrt" and _numbers(builder.version) < _numbers(board.tensorrt):
        raise ConfigError(
            f"board {board.name}",
            f"its recipe is for {board.written_for} or newer, here is TensorRT {builder.version}",
            f"update the board to {board.system}",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def build_engine(
    builder: Builder,
    graph: bytes,
    thing: str,
    capability: str,
    allowed: tuple[str, ...],
    timing_cache: bytes = b"",
) -> BuiltEngine:
    """Build one ONNX graph, in exactly the precisions that stand in it.

    Args:
        builder: from `find_builder`.
        graph: a single-file ONNX model with static shapes.
        thing: its name, for messages.
        capability: ``"8.6"``; one of ``builder.capabilities()``.
        allowed: precisions the target can compute in; anything else is refused before building.
        timing_cache: of an earlier build on this machine, or empty.

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
    logger = collecting_logger(trt)
    trt_builder = trt.Builder(logger)
    network = trt_builder.create_network(_creation_flags(trt))
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
    config, flags = _configure(builder, trt_builder, capability)
    cache = None
    if builder.name == "tensorrt":
        # One of another GPU or version is no use, and TensorRT says so by refusing it.
        cache = config.create_timing_cache(timing_cache)
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, ignore_mismatch=False)
    data = trt_builder.build_serialized_network(network, config)
    if data is None:
        problems = "; ".join(logger.errors) or "it gave no reason"
        raise LapaError(thing, f"{builder.name} {builder.version} cannot build it ({problems})")
    saved = bytes(cache.serialize()) if cache is not None else None
    return BuiltEngine(bytes(data), precisions, flags, saved)


def _creation_flags(trt: Any) -> int:
    """Strongly typed, where that has to be asked for."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _configure(builder: Builder, trt_builder: Any, capability: str) -> tuple[Any, tuple[str, ...]]:
    """The builder's config, and what was set in it, in words."""
    trt, config = builder.module, trt_builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if builder.name == "tensorrt":
        return config, ("STRONGLY_TYPED", "no TF32")
    config.num_compute_capabilities = 1
    member = "SM" + capability.replace(".", "")
    config.set_compute_capability(trt.ComputeCapability.__members__[member], 0)
    return config, ("STRONGLY_TYPED", "no TF32", f"compute capability {member}")


def _precisions(network: Any) -> tuple[str, ...]:
    """Floating and quantized types of every tensor in the network."""
    found = set()
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        for j in range(layer.num_outputs):
            found.add(layer.get_output(j).dtype.name)
    return tuple(sorted(_PRECISIONS[name] for name in found if name in _PRECISIONS))
