"""Which device a stage runs on."""

from __future__ import annotations

import torch


def pick_device() -> torch.device:
    """The first GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
