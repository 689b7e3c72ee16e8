"""Stage 3: newest latent, context, state, last action and the latent's age to a chunk of actions.

The fast half of the two rates. Small enough for 1 kHz on one core; its weights travel as
safetensors so that the native kernel runs them without any framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.spec import HeadPart, PolicySpec


@dataclass(frozen=True)
class ActionHeadConfig:
    """Size of the action head."""

    width: int = 256
    """Hidden width."""
    blocks: int = 2
    """Residual blocks."""
    gated: bool = False
    """Blocks with a gate: half as many weights again, and products of two activations."""


class ResidualBlock(nn.Module):
    """``h + W_down r + b_down``, where ``r = relu(W_up h + b_up)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.down(F.relu(self.up(h)))


class GatedBlock(nn.Module):
    """``h + W_down r + b_down``, where ``r = (W_up h + b_up) * relu(W_gate h + b_gate)``.

    ReGLU of Shazeer, "GLU Variants Improve Transformer" (arXiv 2002.05202), with biases, and as
    wide as the block's input rather than two thirds of four times that.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.down = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.down(self.up(h) * F.relu(self.gate(h)))


class ActionHead(nn.Module):
    """``[b, in] -> [b, out]`` in normalised units; the input's order is `PolicySpec.head_slices`.

    The output is a chunk ``p * a``, or what `model.decoding` makes one of.

    ReLU and no normalisation layer, on purpose: every operation is a product, a sum or a maximum,
    which the native kernels can repeat bit for bit on any instruction set.
    """

    def __init__(self, input_dim: int, output_dim: int, config: ActionHeadConfig) -> None:
        super().__init__()
        self.input = nn.Linear(input_dim, config.width)
        block = GatedBlock if config.gated else ResidualBlock
        self.blocks = nn.ModuleList(block(config.width) for _ in range(config.blocks))
        self.output = nn.Linear(config.width, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.input(x))
        for block in self.blocks:
            h = block(h)
        return self.output(h)


def head_input(spec: PolicySpec, parts: Mapping[HeadPart, Tensor]) -> Tensor:
    """What the head is told, ``[b, in]``, in the order of `PolicySpec.head_slices`.

    Args:
        spec: says which parts.
        parts: at least those, ``[b, ...]``: state and last action normalised; ``latent_age``
            ``[b]`` a share of ``max_latent_age_s``, ``chunk_index`` ``[b]`` a share of
            ``max_latent_age_s * control_hz``.
    """
    return torch.cat([parts[name][:, None].flatten(1) for name in spec.head_inputs], dim=1)
