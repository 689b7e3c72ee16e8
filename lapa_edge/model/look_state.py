"""Where the robot was when the policy looked, as the last part of the context.

A plan says how to go on from where the robot was. By the time its answer comes the robot has moved;
with its state then beside its state now, the head knows how much of the plan is done.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LookState(nn.Module):
    """Normalises the state at the look; its scale travels with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    @property
    def state_dim(self) -> int:
        """Dimensions of the robot's state."""
        return len(self.mean)

    @property
    def width(self) -> int:
        """What the context becomes longer by."""
        return look_state_width(self.state_dim)

    def forward(self, told: Tensor) -> Tensor:
        """``[b, s + 1]``, normalised and 0 where unknown, of what `model.policy.state_input` makes.

        The last number stays: 1 where the state was known.
        """
        known = told[:, -1:]
        return torch.cat([known * (told[:, :-1] - self.mean) / self.std, known], dim=1)


def look_state_width(state_dim: int) -> int:
    """Numbers that `LookState` adds to the context: the state's, and whether it was known."""
    return state_dim + 1
