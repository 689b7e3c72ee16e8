"""How large the numbers in the action head become: what its int8 form is scaled by.

Head inputs of real observations in, the largest magnitude of each input of each layer out. Where a
range is known it is taken as a whole: any code may come, and any latent age.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lapa_edge.export.observations import Observations, check_observations
from lapa_edge.export.reference import look
from lapa_edge.model.agent import Agent
from lapa_edge.model.decoding import decode_chunk
from lapa_edge.spec import PolicySpec
from lapa_edge.train.actions import ActionsConfig

Calibration = dict[str, NDArray[np.float32]]

# A few dozen observations miss the largest values, and what saturates is off by more than what is
# coarse: on the demo's agents, held-out errors are least between 1.25 and 1.5.
HEADROOM = 1.25


@torch.no_grad()
def calibrate_head(config: ActionsConfig, agent: Agent, observations: Observations) -> Calibration:
    """By layer (``input``, ``blocks.0.up``, ..., ``output``), float32 [inputs], above 0.

    Every observation counts twice: with its last action, and with the stop action that the head is
    told after every stop, which may lie far outside what the demos contain.
    """
    check_observations(observations, config.spec)
    agent = copy.deepcopy(agent).cpu().float().eval()
    x = look(config, agent, observations).x
    stopped, at = x.clone(), config.spec.head_slices()
    action = config.spec.action
    if "last_action" in at:
        stop = (torch.tensor(action.stop) - torch.tensor(action.mean)) / torch.tensor(action.std)
        stopped[:, at["last_action"]] = stop
    largest: dict[str, Tensor] = {}

    def watch(layer: str, module: nn.Module) -> None:
        def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
            seen = HEADROOM * inputs[0].abs().amax(dim=0)
            largest[layer] = torch.maximum(largest.get(layer, seen), seen)  # a flow asks again

        module.register_forward_pre_hook(note)

    for layer, module in agent.head.named_modules():
        if isinstance(module, nn.Linear):
            watch(layer, module)
    told = torch.cat([x, stopped])
    noise = torch.randn(
        len(told), config.spec.chunk_dim, generator=torch.Generator().manual_seed(0)
    )
    decode_chunk(action, agent.head, told, agent.bins, noise)
    largest["input"] = torch.maximum(largest["input"], _known_ranges(config.spec, agent.codebook))
    return {layer: _fill(values).numpy() for layer, values in largest.items()}


def _known_ranges(spec: PolicySpec, codebook: Tensor) -> Tensor:
    """What each head input may reach by definition, ``[in]``; 0 where only data can tell."""
    ranges, at = torch.zeros(spec.head_input_dim), spec.head_slices()
    if spec.latent:
        ranges[at["latent"]] = codebook.abs().amax(dim=0).repeat(spec.latent.n)
    for name in ("latent_age", "chunk_index", "flow_time"):
        if name in at:
            ranges[at[name]] = 1.0
    return ranges


def _fill(largest: Tensor) -> Tensor:
    """Inputs that never moved (a dead unit) get the layer's median: they may move one day."""
    moved = largest > 1e-20
    usual = largest[moved].median() if bool(moved.any()) else torch.tensor(1.0)
    return torch.where(moved, largest, usual)
