"""Weights, gradients and moments spread over the processes of one training (FSDP).

``accelerate launch --use_fsdp`` asks for it, on GPUs and on CPUs alike: PyTorch's ``fully_shard``,
one unit per transformer block and one for the rest. accelerate's own FSDP is left out of it, for on
CPUs it trains unsharded and says nothing. Of its ``--fsdp_*`` flags none is read.

A checkpoint holds whole tensors, the very files of a single process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from lapa_edge.errors import ConfigError
from lapa_edge.model.blocks import Block

_ASKED = "ACCELERATE_USE_FSDP"
# What losses call besides the model itself.
_ENTRIES = ("look",)


def sharding_asked() -> bool:
    """Whether this process was launched with ``--use_fsdp``."""
    return os.environ.get(_ASKED, "").lower() in ("true", "1")


@contextmanager
def hidden_from_accelerate() -> Iterator[None]:
    """The wish for FSDP hidden, so that accelerate sets up plain processes."""
    asked = os.environ.pop(_ASKED, None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ[_ASKED] = asked


def shard(model: nn.Module, processes: int, device: torch.device) -> None:
    """Spread the model's weights over the processes, in place; all of them must call it.

    Raises:
        ConfigError: a codebook is a weight, which its quantizer rewrites between steps.
    """
    for name, _ in model.named_parameters():
        if name.endswith("quantizer.codebook"):
            raise ConfigError(
                "--use_fsdp",
                f"expected weights that only the optimizer changes, got {name} (nsvq)",
                "take --quantizer ema or fsq, or launch with torchrun, without FSDP",
            )
    mesh = init_device_mesh(device.type, (processes,))
    for module in model.modules():
        if isinstance(module, Block):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for entry in _ENTRIES:
        if hasattr(model, entry):
            register_fsdp_forward_method(model, entry)


def shard_state(
    old: torch.optim.Optimizer, new: torch.optim.Optimizer, average: dict[str, Tensor]
) -> None:
    """Hand the moments of `old` on to `new`, made for the sharded weights, and shard `average`."""
    weights = [weight for group in new.param_groups for weight in group["params"]]
    state = {
        index: {name: _like(moment, weights[index]) for name, moment in moments.items()}
        for index, moments in old.state_dict()["state"].items()
    }
    new.load_state_dict({**new.state_dict(), "state": state})
    if weights:
        for name, value in average.items():
            average[name] = _spread(value, weights[0].device_mesh)


def local(tensor: Tensor) -> Tensor:
    """What of the tensor lies in this process, detached: all of it, unless it is sharded."""
    tensor = tensor.detach()
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gathered(tensor: Tensor) -> Tensor:
    """The tensor itself, on the CPU; a sharded one is gathered, for which all must call."""
    if isinstance(tensor, DTensor):
        tensor = tensor.full_tensor()
    return tensor.detach().cpu().contiguous()


def _like(moment: Tensor, weight: Tensor) -> Tensor:
    """A moment spread as its weight is; the count of steps is everyone's."""
    assert isinstance(weight, DTensor)
    return _spread(moment, weight.device_mesh) if moment.dim() else moment


def _spread(value: Tensor, mesh: DeviceMesh) -> DTensor:
    return distribute_tensor(value, mesh, [Shard(0)])
