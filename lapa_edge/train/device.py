"""Which device a stage runs on, and what it can do."""

from __future__ import annotations

import os

import torch


def pick_device() -> torch.device:
    """This process's GPU, else the CPU; launchers say which GPU in ``LOCAL_RANK``."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def bf16_works() -> bool:
    """Whether matrix products gain from bfloat16 here: on GPUs from compute capability 8.0."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
