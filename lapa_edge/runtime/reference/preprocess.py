"""Camera frames to what the policy sees: see csrc/preprocess/preprocess.hpp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lapa_edge.runtime.reference.arrays import Float32, Int32, UInt8

WEIGHT_BITS = 22  # of a resize weight: beside 8 bits of pixel, 2 bits of an int32 stay free


def resize_frame(image: UInt8, height: int, width: int) -> UInt8:
    """Pillow's ``Image.resize((width, height), BILINEAR)``, in fixed point.

    A triangle filter whose support grows with the scale when shrinking. Columns first, then rows,
    each pass rounded to uint8. Source: Pillow, ``src/libImaging/Resample.c``; Pillow 13 begins with
    the rows where that is cheaper, which moves some pixels by one level.

    Args:
        image: uint8 [h, w, 3].
        height: rows of the result, at least 1.
        width: columns of the result, at least 1.

    Returns:
        uint8 [height, width, 3]; a copy where the size is already right.
    """
    if image.shape[:2] == (height, width):
        return image.copy()
    narrowed = _resize_axis(image.swapaxes(0, 1), width).swapaxes(0, 1)  # [h, width, 3]
    return np.ascontiguousarray(_resize_axis(narrowed, height))


def preprocess_frame(
    image: UInt8, height: int, width: int, mean: Sequence[float], std: Sequence[float]
) -> Float32:
    """What the policy sees: resized, normalised, planes first.

    ``(float32(pixel) / 255 - mean) / std``, each of the three steps rounded to float32.

    Args:
        image: uint8 [h, w, 3].
        height: rows of the result.
        width: columns of the result.
        mean: three values in units of full scale (0 to 1).
        std: three values above 0 in the same unit.

    Returns:
        float32 [3, height, width].
    """
    scaled = resize_frame(image, height, width).astype(np.float32) / np.float32(255)
    normalised = (scaled - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def _resize_axis(image: UInt8, target: int) -> UInt8:
    """Resamples the first axis: uint8 [source, ...] to uint8 [target, ...]."""
    resized = np.empty((target, *image.shape[1:]), np.uint8)
    for index in range(target):
        first, weights = _triangle_weights(index, len(image), target)
        window = image[first : first + len(weights)].astype(np.int32)
        total = np.tensordot(weights, window, axes=1) + (1 << (WEIGHT_BITS - 1))
        resized[index] = np.minimum(total >> WEIGHT_BITS, 255)
    return resized


def _triangle_weights(index: int, source: int, target: int) -> tuple[int, Int32]:
    """The first source pixel that output ``index`` looks at, and the fixed-point weights there."""
    scale = source / target
    support = max(scale, 1.0)
    centre = (index + 0.5) * scale
    begin = max(int(centre - support + 0.5), 0)
    end = min(int(centre + support + 0.5), source)
    distances = (abs((i - centre + 0.5) * (1.0 / support)) for i in range(begin, end))
    triangle = [max(1.0 - distance, 0.0) for distance in distances]
    total = 0.0  # not sum(), which compensates its rounding from Python 3.12 on
    for weight in triangle:
        total += weight
    fixed = [math.floor(0.5 + weight / total * (1 << WEIGHT_BITS)) for weight in triangle]
    return begin, np.array(fixed, np.int32)
