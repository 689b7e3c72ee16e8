"""What processes of one training agree on; alone, each of these does nothing."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def sum_over_processes(values: Tensor) -> Tensor:
    """`values` added up over all processes, in place."""
    if _together():
        dist.all_reduce(values)
    return values


def from_first_process(values: Tensor) -> Tensor:
    """`values` of process 0 on every process, in place."""
    if _together():
        dist.broadcast(values, src=0)
    return values


def _together() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
