"""Stage 3: newest latent, context, robot state, last action and latent age to a chunk of actions.

The fast half of the two rates. Small enough for 1 kHz on one core; its weights travel as
safetensors so that the native kernel runs them without any framework.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
    """``[b, in] -> [b, p * a]`` in normalised units; the input's order is `PolicySpec.head_slices`.

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


def head_input(
    latent: Tensor, context: Tensor, state: Tensor, last_action: Tensor, latent_age: Tensor
) -> Tensor:
    """The head's input ``[b, in]`` in the order of `PolicySpec.head_slices`.

    `latent_age` ``[b]`` is a share of ``TimingSpec.max_latent_age_s``; state and last action are
    normalised.
    """
    return torch.cat([latent, context, state, last_action, latent_age[:, None]], dim=1)
