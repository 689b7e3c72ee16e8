"""Our kernels, bound to their arrays once: what a control loop calls, tick after tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lapa_edge import _native
from lapa_edge.runtime.reference.arrays import Float32, Int32, UInt8

Step = Callable[[], object]


def bind_head(
    weights: Mapping[str, Float32],
    precision: Any,
    ranges: Mapping[str, Float32],
    x: Float32,
    y: Float32,
) -> Step:
    """`x` [inputs] to `y` [outputs]; `ranges` by layer: the largest magnitudes of its inputs."""
    calibration = dict(ranges) if precision == "int8" else None
    head = _native.ActionHead(dict(weights), precision=precision, calibration=calibration)
    return head.bind(x, y).step


def bind_codebook(codebook: Float32, x: Float32, codes: Int32, latents: Float32) -> Step:
    """`x` [n, d] to `codes` [n], and to their rows of `codebook`, `latents` [n, d]."""
    return _native.Codebook(codebook).bind(x, codes, latents)


def bind_preprocessor(
    frame: UInt8, planes: Float32, mean: tuple[float, ...], std: tuple[float, ...]
) -> Step:
    """`frame` [h, w, 3] to `planes` [3, height, width]."""
    source, target = frame.shape[:2], planes.shape[1:]
    return _native.Preprocessor(*source, *target, mean, std).bind(frame, planes)
