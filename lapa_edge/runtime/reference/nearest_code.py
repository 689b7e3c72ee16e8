"""Quantizing: see csrc/nearest_code/nearest_code.hpp."""

from __future__ import annotations

import numpy as np

from lapa_edge.runtime.reference.arrays import Float32, Int32


def nearest_code(x: Float32, codebook: Float32) -> Int32:
    """Index of the codebook row nearest to each row of ``x``; the lowest one among equals.

    ``codes[i] = argmin_j sum_c (x[i, c] - codebook[j, c])^2`` in float64, the sum taken as written:
    the expanded form ``|x|^2 - 2 x.c + |c|^2`` cancels where the codebook lies far from the origin.

    Args:
        x: float32 [m, d].
        codebook: float32 [k, d], k and d at least 1.

    Returns:
        int32 [m].
    """
    sums = [np.zeros((len(x), len(codebook)), np.float64) for _ in range(4)]  # [m, k] each
    for column in range(x.shape[1]):
        difference = x[:, None, column].astype(np.float64) - codebook[None, :, column]
        sums[column % 4] += difference * difference
    distance = (sums[0] + sums[1]) + (sums[2] + sums[3])
    codes: Int32 = distance.argmin(axis=1).astype(np.int32)
    return codes
