"""Camera frames to what the policy sees: see csrc/preprocess/resize_axis.hpp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lapa_edge.runtime.reference.action_head import fused_multiply_add
from lapa_edge.runtime.reference.arrays import Float32, Int32, UInt8

WEIGHT_TOTAL = 256  # what the weights of every output sum to


def resize_frame(image: UInt8, height: int, width: int) -> UInt8:
    """Halved while at least twice too large, then a triangle filter as wide as the scale.

    Averages of rows round up, those of columns down, so that a frame keeps its brightness. The
    filter is Pillow's BILINEAR in 8-bit fixed point, rows before columns, each rounded to uint8.

    Args:
        image: uint8 [h, w, 3].
        height: rows of the result, at least 1.
        width: columns of the result, at least 1.

    Returns:
        uint8 [height, width, 3]; a copy where the size is already right.
    """
    source_height, source_width = image.shape[:2]
    row_halvings = count_halvings(source_height, height)
    column_halvings = count_halvings(source_width, width)
    for level in range(max(row_halvings, column_halvings)):
        if level < row_halvings:
            image = _halve(image, round_up=True)
        if level < column_halvings:
            image = _halve(image.swapaxes(0, 1), round_up=False).swapaxes(0, 1)
    image = _resample(image, source_height, height, row_halvings)
    image = _resample(image.swapaxes(0, 1), source_width, width, column_halvings).swapaxes(0, 1)
    return np.ascontiguousarray(image)


def preprocess_frame(
    image: UInt8,
    height: int,
    width: int,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    order: str = "rgb",
) -> Float32:
    """What the policy sees: resized, normalised, planes first.

    ``pixel * scale + offset`` in float32, rounded once.

    Args:
        image: uint8 [h, w, 3].
        height: rows of the result.
        width: columns of the result.
        mean: three values in units of full scale (0 to 1), by plane.
        std: three values above 0 in the same unit.
        order: how the channels of the image lie, "rgb" or "bgr".

    Returns:
        float32 [3, height, width]: red, green, blue.
    """
    pixels = resize_frame(image, height, width)
    if order == "bgr":
        pixels = pixels[..., ::-1]
    scale, offset = normalisation(mean, std)
    values = fused_multiply_add(pixels.astype(np.float32), scale, offset)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def normalisation(mean: Sequence[float], std: Sequence[float]) -> tuple[Float32, Float32]:
    """The scale ``1 / (255 std)`` and the offset ``-mean / std``, float32 [3] each.

    The offset is rounded so coarsely that ``2^15 scale`` can be added to it without another
    rounding, which the kernels make use of: to within 1/500 of a pixel's level.
    """
    wide_std = np.asarray(std, np.float64)
    scale = (1.0 / (255.0 * wide_std)).astype(np.float32)
    raised = scale * np.float32(2**15)  # exact
    offset = (-np.asarray(mean, np.float64) / wide_std - raised).astype(np.float32) + raised
    return scale, offset


def count_halvings(source: int, target: int) -> int:
    """How often an axis is halved before it is less than twice too long."""
    return max(source // target, 1).bit_length() - 1


def _halve(image: UInt8, *, round_up: bool) -> UInt8:
    """Averages of the first axis two by two; an odd last one stays as it is."""
    pairs = image[: len(image) // 2 * 2].astype(np.int32)
    averages = (pairs[::2] + pairs[1::2] + int(round_up)) // 2
    return np.concatenate([averages.astype(np.uint8), image[len(pairs) :]])


def _resample(image: UInt8, source: int, target: int, halvings: int) -> UInt8:
    """The first axis, that was ``source`` long before it was halved, to uint8 [target, ...]."""
    resampled = np.empty((target, *image.shape[1:]), np.uint8)
    for index in range(target):
        first, weights = _triangle_weights(index, len(image), source, target << halvings)
        window = image[first : first + len(weights)].astype(np.int32)
        total = np.tensordot(weights, window, axes=1)
        resampled[index] = (total + WEIGHT_TOTAL // 2) // WEIGHT_TOTAL
    return resampled


def _triangle_weights(index: int, length: int, source: int, step: int) -> tuple[int, Int32]:
    """The first pixel that output ``index`` looks at, and the weights of those from there on.

    Each weight is the step between two sums, rounded: so they sum to exactly ``WEIGHT_TOTAL``.
    """
    distance = np.abs((2 * np.arange(length) + 1) * step - (2 * index + 1) * source)
    share = np.maximum(2 * max(source, step) - distance, 0)
    (counting,) = np.nonzero(share)
    sums = np.cumsum(share[counting])
    edges = (2 * WEIGHT_TOTAL * sums + sums[-1]) // (2 * sums[-1])
    return int(counting[0]), np.diff(edges, prepend=0).astype(np.int32)
