"""The noise floor: float32 against itself, with every sum taken in another order.

A dot product of float32 has no one right value: BLAS, ONNX Runtime, TensorRT and the native kernels
each add its terms in their own order, and each order rounds differently. What an order is worth is
measured by shuffling the reduced dimension of every linear map, convolution, attention and
normalisation of the trained network. Weights, inputs and arithmetic are the same, so a difference
of that size is nobody's fault, and what lies far above it is somebody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

ORDERS = 3


class Reordered(TorchFunctionMode):
    """While entered, the sums below are taken in a random order; equal to the usual one but for
    rounding. `seed` decides the orders."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by torch in place of `func`."""
        shuffle = _SHUFFLES.get(func)
        if shuffle is None:
            return func(*args, **(kwargs or {}))
        return shuffle(self._order, *args, **(kwargs or {}))

    def _order(self, length: int) -> Tensor:
        return torch.randperm(length, generator=self._generator)


Order = Callable[[int], Tensor]


def _linear(order: Order, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x [..., in]``, ``weight [out, in]``."""
    i = order(weight.shape[1])
    return F.linear(x[..., i], weight[:, i], bias)


def _conv2d(order: Order, x: Tensor, weight: Tensor, *rest: Any, **named: Any) -> Tensor:
    """``x [b, in, h, w]``, ``weight [out, in / groups, kh, kw]``; grouped ones are left alone."""
    if weight.shape[1] != x.shape[1]:
        return F.conv2d(x, weight, *rest, **named)
    i = order(weight.shape[1])
    return F.conv2d(x[:, i], weight[:, i], *rest, **named)


def _attention(
    order: Order,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    **named: Any,
) -> Tensor:
    """Query, key and value ``[..., t, d]``: the terms of the scores, and of the softmax."""
    i, j = order(query.shape[-1]), order(key.shape[-2])
    if named.get("is_causal"):
        j = torch.arange(key.shape[-2])
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*attn_mask.shape[:-1], key.shape[-2])[..., j]
    return F.scaled_dot_product_attention(
        query[..., i], key[..., j, :][..., i], value[..., j, :], attn_mask=attn_mask, **named
    )


def _layer_norm(
    order: Order,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``x [..., d]``; over several dimensions it is left alone."""
    if len(shape) > 1:
        return F.layer_norm(x, list(shape), weight, bias, eps)
    i = order(x.shape[-1])
    shuffled = F.layer_norm(x[..., i], list(shape), None, None, eps)[..., i.argsort()]
    scaled = shuffled if weight is None else shuffled * weight
    return scaled if bias is None else scaled + bias


def _group_norm(
    order: Order,
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``x [b, c, ...]`` of one group; of more it is left alone."""
    if groups > 1 or weight is None or bias is None:
        return F.group_norm(x, groups, weight, bias, eps)
    i = order(x.shape[1])
    return F.group_norm(x[:, i], 1, weight[i], bias[i], eps)[:, i.argsort()]


_SHUFFLES: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.linear: _linear,
    torch.conv2d: _conv2d,
    F.scaled_dot_product_attention: _attention,
    F.layer_norm: _layer_norm,
    F.group_norm: _group_norm,
}
