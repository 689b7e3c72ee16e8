"""How large the numbers in the action head become: what its int8 form is scaled by.

Head inputs of real observations in, the largest magnitude of each input of each layer out. Where a
range is known it is taken as a whole: any code may come, and any action within its limits.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lapa_edge.export.answers import look
from lapa_edge.export.observations import Observations, check_observations
from lapa_edge.model.agent import Agent
from lapa_edge.spec import PolicySpec
from lapa_edge.train.actions import ActionsConfig

Calibration = dict[str, NDArray[np.float32]]


@torch.no_grad()
def calibrate_head(config: ActionsConfig, agent: Agent, observations: Observations) -> Calibration:
    """By layer (``input``, ``blocks.0.up``, ..., ``output``), float32 [inputs], above 0.

    Every observation counts twice: with its last action, and with the stop action that the head is
    told after every stop, which may lie far outside what the demos contain.
    """
    check_observations(observations, config.spec)
    agent = copy.deepcopy(agent).cpu().float().eval()
    x = look(config, agent, observations).x
    stopped, at = x.clone(), config.spec.head_slices()["last_action"]
    stopped[:, at] = _normalise_action(config.spec, config.spec.action.stop)
    largest: dict[str, Tensor] = {}

    def watch(layer: str, module: nn.Module) -> None:
        def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
            largest[layer] = inputs[0].abs().amax(dim=0)

        module.register_forward_pre_hook(note)

    for layer, module in agent.head.named_modules():
        if isinstance(module, nn.Linear):
            watch(layer, module)
    agent.head(torch.cat([x, stopped]))
    largest["input"] = torch.maximum(largest["input"], _known_ranges(config.spec, agent.codebook))
    return {layer: _fill(values).numpy() for layer, values in largest.items()}


def _known_ranges(spec: PolicySpec, codebook: Tensor) -> Tensor:
    """What each head input may reach by definition, ``[in]``; 0 where only data can tell."""
    ranges, at = torch.zeros(spec.head_input_dim), spec.head_slices()
    if spec.latent:
        ranges[at["latent"]] = codebook.abs().amax(dim=0).repeat(spec.latent.n)
    ends = [_normalise_action(spec, end).abs() for end in (spec.action.low, spec.action.high)]
    ranges[at["last_action"]] = torch.maximum(*ends)
    ranges[at["latent_age"]] = 1.0
    return ranges


def _normalise_action(spec: PolicySpec, action: tuple[float, ...]) -> Tensor:
    return (torch.tensor(action) - torch.tensor(spec.action.mean)) / torch.tensor(spec.action.std)


def _fill(largest: Tensor) -> Tensor:
    """Inputs that never moved (a dead unit) get the layer's median: they may move one day."""
    moved = largest > 0
    usual = largest[moved].median() if bool(moved.any()) else torch.tensor(1.0)
    return torch.where(moved, largest, usual)
