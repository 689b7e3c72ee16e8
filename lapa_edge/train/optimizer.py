"""AdamW over the weights that learn, and its rate from step to step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from lapa_edge.train.loop import LoopConfig


def build_optimizer(
    model: nn.Module, config: LoopConfig, scales: Sequence[tuple[str, float]]
) -> torch.optim.Optimizer:
    """One group per learning rate; `scales` are ``(parameter name prefix, factor)``."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = next((factor for prefix, factor in scales if name.startswith(prefix)), 1.0)
            groups.setdefault(scale, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": params, "scale": scale} for scale, params in groups.items()],
        lr=config.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
    )


def learning_rate(step: int, config: LoopConfig) -> float:
    """Learning rate at `step`: linear warm-up, then constant or a cosine to zero."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the step to come, in each group times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
