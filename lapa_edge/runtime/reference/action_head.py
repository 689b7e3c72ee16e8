"""The action head, product by product: see csrc/action_head/dense.hpp."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lapa_edge.runtime.reference.arrays import Float32, Int32


class ActionHead:
    """The residual MLP that turns latent, context, state and latent age into a chunk of actions.

    ``h = relu(W_in x + b_in)``; for each block ``h = h + (W_down r + b_down)``, where
    ``r = relu(W_up h + b_up)`` or, gated, ``r = (W_up h + b_up) * relu(W_gate h + b_gate)``
    (ReGLU, arXiv 2002.05202); ``y = W_out h + b_out``.

    Args:
        weights: float32 arrays by name, in torch's [outputs, inputs] layout: ``input.weight``
            [w, in], ``input.bias`` [w]; ``blocks.{i}.up.weight``, ``blocks.{i}.down.weight`` and,
            gated, ``blocks.{i}.gate.weight`` [w, w], their biases [w]; ``output.weight`` [out, w],
            ``output.bias`` [out].
        precision: of the weights: "f32"; "bf16", rounded to nearest even; or "int8".
        calibration: for "int8", by layer (``input``, ``blocks.{i}.up``, ..., ``output``): the
            largest magnitudes of its inputs, float32 [inputs].
    """

    def __init__(
        self,
        weights: Mapping[str, Float32],
        precision: str = "f32",
        calibration: Mapping[str, Float32] | None = None,
    ) -> None:
        self.width, self.input_size = weights["input.weight"].shape
        self.output_size = len(weights["output.weight"])
        self.blocks = sum(name.endswith(".up.weight") for name in weights)
        self.gated = "blocks.0.gate.weight" in weights
        layers = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
        self._dense: dict[str, _Dense | _Int8Dense] = {}
        for layer in layers:
            weight, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
            if precision == "int8":
                assert calibration is not None
                self._dense[layer] = _Int8Dense(weight, bias, calibration[layer])
            else:
                self._dense[layer] = _Dense(
                    to_bf16(weight) if precision == "bf16" else weight, bias
                )

    def forward(self, x: Float32) -> Float32:
        """``x`` float32 [b, in] to float32 [b, out]."""
        dense = self._dense
        hidden = _relu(dense["input"](x))  # [b, w]
        for block in range(self.blocks):
            raised = dense[f"blocks.{block}.up"](hidden)
            if self.gated:
                raised = raised * _relu(dense[f"blocks.{block}.gate"](hidden))
            else:
                raised = _relu(raised)
            hidden = hidden + dense[f"blocks.{block}.down"](raised)
        return dense["output"](hidden)


class _Dense:
    """``W x + b`` by four partial sums of fused products, by input index mod 4."""

    def __init__(self, weight: Float32, bias: Float32) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Float32) -> Float32:
        sums = [np.zeros((len(x), len(self.bias)), np.float32) for _ in range(4)]  # [b, outputs]
        for i in range(x.shape[1]):
            sums[i % 4] = fused_multiply_add(x[:, i, None], self.weight[None, :, i], sums[i % 4])
        return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + self.bias


class _Int8Dense:
    """``W x + b`` of int8 by int8: see `PackedInt8` in csrc/action_head/packed_dense.hpp."""

    def __init__(self, weight: Float32, bias: Float32, largest: Float32) -> None:
        top = np.float32(127)
        reach = np.abs(weight).max(axis=0).astype(np.float64)  # [inputs]
        reach = np.maximum(reach, reach.max() * 2.0**-20 or 1.0)
        wide = largest.astype(np.float64)
        spread = (np.sqrt(wide / reach) * np.sqrt(wide * reach).max()).astype(np.float32)
        self.to_int8, self.bias = top / spread, bias  # [inputs], [outputs]
        folded = weight * (spread / top)  # [outputs, inputs]
        self.scale = np.abs(folded).max(axis=1) / top  # [outputs]
        steps = folded / np.where(self.scale == 0, np.float32(1), self.scale)[:, None]
        self.weight = np.where(self.scale[:, None] == 0, 0, _round_to_int8(steps))

    def __call__(self, x: Float32) -> Float32:
        with np.errstate(over="ignore"):  # what overflows saturates
            quantized = _round_to_int8(x * self.to_int8)  # [b, inputs]
        dot = (quantized @ self.weight.T).astype(np.float32)  # exact, then rounded once
        return fused_multiply_add(dot, self.scale[None], self.bias[None])


def to_bf16(x: Float32) -> Float32:
    """``x`` rounded to the upper half of a float32, to nearest even; finite values."""
    bits = x.view(np.uint32)
    rounded: Float32 = ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(
        np.float32
    )
    return rounded


def _round_to_int8(x: Float32) -> Int32:
    rounded: Int32 = np.clip(np.rint(x), -127, 127).astype(np.int32)
    return rounded


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
    """``max(x, 0)``, but NaN for -infinity: an overflow must reach the output."""
    with np.errstate(invalid="ignore"):
        return np.where(x < 0, x - x, x)
