"""The running average of the weights: what a noisy training is validated and kept by.

    average <- d * average + (1 - d) * weights,    d = min(decay, (1 + t) / (10 + t))

after step ``t`` = 0, 1, ... The warm-up of ``d`` forgets the random start, which a decay near 1
would carry for thousands of steps. Buffers are no weights: the model's own are used as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lapa_edge.train.sharding import local


class WeightAverage:
    """The average of a model's trainable weights, by name.

    Args:
        model: where the average starts.
        decay: share of the average that a step keeps, 0 to below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.weights: dict[str, Tensor] = {
            name: weight.detach().clone() for name, weight in _trainable(model)
        }

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after the step of this index, counted from 0."""
        keep = min(self._decay, (1 + step) / (10 + step))
        for name, weight in _trainable(model):
            local(self.weights[name]).lerp_(local(weight), 1 - keep)

    @torch.no_grad()
    def give(self, model: nn.Module) -> None:
        """Put the average into the model, for good."""
        for name, weight in _trainable(model):
            local(weight).copy_(local(self.weights[name]))

    @contextmanager
    def lent(self, model: nn.Module) -> Iterator[None]:
        """The average in the model for a while; its own weights return to the bit."""
        own = {name: local(weight).clone() for name, weight in _trainable(model)}
        self.give(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in _trainable(model):
                    local(weight).copy_(own[name])


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
