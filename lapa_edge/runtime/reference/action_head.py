"""The action head, product by product: see csrc/action_head/dense.hpp."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lapa_edge.runtime.reference.arrays import Float32


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
