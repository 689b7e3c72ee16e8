"""Our kernels, bound to their buffers once: what a control loop calls, tick after tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lapa_edge import _native
from lapa_edge.runtime.reference.arrays import Float32, Int32, UInt8

Step = Callable[[], object]
PRECISIONS = ("f32", "bf16", "int8")
if not hasattr(_native, "Codebook"):
    PRECISIONS = ("f32",)


def bind_head(
    weights: Mapping[str, Float32], precision: str, calibration: Float32, x: Float32, y: Float32
) -> Step:
    """`x` [inputs] to `y` [outputs]; `calibration` [b, inputs] are typical inputs."""
    head = _native.ActionHead(dict(weights))
    return lambda: head.forward_into(x, y)


def bind_codebook(
    codebook: Float32, x: Float32, codes: Int32, latents: Float32 | None = None
) -> Step:
    """`x` [n, d] to `codes` [n], and to their rows of `codebook`, `latents` [n, d]."""

    def step() -> None:
        codes[:] = _native.nearest_code(x, codebook)

    return step


def bind_preprocessor(
    frame: UInt8, planes: Float32, mean: tuple[float, ...], std: tuple[float, ...]
) -> Step:
    """`frame` [h, w, 3] to `planes` [3, height, width]."""
    _, height, width = planes.shape

    def step() -> None:
        planes[:] = _native.preprocess_frame(frame, height, width, mean, std)

    return step
