"""The processes of one training: how they find each other, and what they decide together."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs

from lapa_edge.errors import DataError
from lapa_edge.train.device import bf16_works
from lapa_edge.train.sharding import hidden_from_accelerate


def build_accelerator() -> Accelerator:
    """bf16 where the device has it; parameters that a step leaves out are no error."""
    with hidden_from_accelerate():
        return Accelerator(
            cpu=not torch.cuda.is_available(),  # said aloud, several processes find each other
            mixed_precision="bf16" if bf16_works() else "no",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )


def check_together(accelerator: Accelerator, done: int, root: Path) -> None:
    """Processes that resume at different steps would wait for each other forever.

    Raises:
        DataError: they found different checkpoints in the run directory `root`.
    """
    steps = accelerator.gather(torch.tensor([done], device=accelerator.device))
    if len(set(steps.tolist())) > 1:
        raise DataError(
            f"run {root}",
            f"the processes found checkpoints of steps {sorted(set(steps.tolist()))}",
            "give them one --out that all of them see",
        )


def any_process(accelerator: Accelerator, *happened: bool) -> list[bool]:
    """Whether each happened on any process: what one does alone, the others would wait for."""
    if accelerator.num_processes == 1:
        return list(happened)
    flags = torch.tensor([float(each) for each in happened], device=accelerator.device)
    return [bool(count > 0) for count in accelerator.reduce(flags, reduction="sum")]
