"""What the native kernels compute, written to be read.

Each function has the name, arguments and result of its twin in ``lapa_edge._native``, and the
same bits: the order of every float32 addition below is the kernels' order too. Tests compare the
two with ``==``. Arguments are trusted here; the kernels are the ones that check them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Int32: TypeAlias = npt.NDArray[np.int32]
UInt8: TypeAlias = npt.NDArray[np.uint8]

WEIGHT_BITS = 22  # of a resize weight: beside 8 bits of pixel, 2 bits of an int32 stay free


def nearest_code(x: Float32, codebook: Float32) -> Int32:
    """Index of the codebook row nearest to each row of ``x``; the lowest one among equals.

    ``codes[i] = argmin_j sum_c (x[i, c] - codebook[j, c])^2``, the sum taken as written: the
    expanded form ``|x|^2 - 2 x.c + |c|^2`` cancels where the codebook lies far from the origin.

    Args:
        x: float32 [m, d].
        codebook: float32 [k, d], k and d at least 1.

    Returns:
        int32 [m].
    """
    sums = [np.zeros((len(x), len(codebook)), np.float32) for _ in range(4)]  # [m, k] each
    for column in range(x.shape[1]):
        difference = x[:, None, column] - codebook[None, :, column]
        sums[column % 4] += difference * difference
    distance = (sums[0] + sums[1]) + (sums[2] + sums[3])
    codes: Int32 = distance.argmin(axis=1).astype(np.int32)
    return codes


class ActionHead:
    """The residual MLP that turns latent, state and latent age into a chunk of actions.

    ``h = relu(W_in x + b_in)``; for each block ``h = h + (W_down relu(W_up h + b_up) + b_down)``;
    ``y = W_out h + b_out``.

    Args:
        weights: float32 arrays by name, in torch's [outputs, inputs] layout: ``input.weight``
            [w, in], ``input.bias`` [w]; ``blocks.{i}.up.weight`` and ``blocks.{i}.down.weight``
            [w, w], ``blocks.{i}.up.bias`` and ``blocks.{i}.down.bias`` [w]; ``output.weight``
            [out, w], ``output.bias`` [out].
    """

    def __init__(self, weights: Mapping[str, Float32]) -> None:
        self.weights = weights
        self.width, self.input_size = weights["input.weight"].shape
        self.output_size = len(weights["output.weight"])
        self.blocks = sum(name.endswith(".up.weight") for name in weights)

    def forward(self, x: Float32) -> Float32:
        """``x`` float32 [b, in] to float32 [b, out]."""
        hidden = _relu(self._dense("input", x))  # [b, w]
        for block in range(self.blocks):
            raised = _relu(self._dense(f"blocks.{block}.up", hidden))
            hidden = hidden + self._dense(f"blocks.{block}.down", raised)
        return self._dense("output", hidden)

    def _dense(self, layer: str, x: Float32) -> Float32:
        """``W x + b`` by four partial sums of fused products, by input index mod 4."""
        weight, bias = self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]
        sums = [np.zeros((len(x), len(weight)), np.float32) for _ in range(4)]  # [b, outputs]
        for i in range(x.shape[1]):
            sums[i % 4] = fused_multiply_add(x[:, i, None], weight[None, :, i], sums[i % 4])
        return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + bias


def fused_multiply_add(a: Float32, b: Float32, c: Float32) -> Float32:
    """``a * b + c`` in float32, rounded once, as the processors' instruction does.

    The product of two float32 is exact in float64; the sum is not, and rounding it twice can miss.
    So its first rounding is to odd (Boldo and Melquiond, "Emulation of FMA and correctly rounded
    sums", 2008): where float64 lost something, the last bit is set, and the second rounding, to
    float32, is then right.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, as there
        product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
        total = product + addend
        back = total - product
        lost = (product - (total - back)) + (addend - back)  # exact: Knuth's two-sum
        bits = total.view(np.int64)
        towards = np.where((lost > 0) == (total > 0), 1, -1)  # of the magnitude
        odd = np.where((lost != 0) & (bits & 1 == 0), bits + towards, bits)
        return np.where(np.isfinite(total), odd.view(np.float64), total).astype(np.float32)


def _relu(x: Float32) -> Float32:
    return np.maximum(x, np.float32(0))


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
