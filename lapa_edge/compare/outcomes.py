"""What one training came to, as it is written down; no torch here, for workers that act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from lapa_edge.evaluate.execution import ExecutionMode

SUCCESS = "success"
OFFLINE: Literal["offline"] = "offline"


@dataclass(frozen=True)
class Condition:
    """How a bundle is driven: see `evaluate.execution`; latency in simulated seconds."""

    execution: ExecutionMode
    latency_s: float

    @property
    def key(self) -> str:
        """As a file name."""
        return f"{self.execution}-{self.latency_s * 1000:g}ms"


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one training came to in one condition, by one measure.

    Attributes:
        metric: ``success``, or what an offline evaluation measures.
        execution, latency_s: see `Condition`; ``offline`` where the bundle was only asked.
        outcomes: by task, one number per episode, in the order of its seeds or names.
    """

    metric: str
    execution: ExecutionMode | Literal["offline"]
    latency_s: float
    outcomes: dict[str, list[float]]

    @property
    def condition(self) -> Condition | None:
        """How the bundle was driven; None where it was only asked."""
        return None if self.execution == OFFLINE else Condition(self.execution, self.latency_s)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One training.

    Attributes:
        parameters: of the networks that act: trunk, words and head.
        cpu_s: processor seconds of its training; what several methods share is counted for the
            one that trained it.
        references: by metric, what policies that look at nothing come to on the same episodes.
        torch_imported: whether a process that drove the robot knew torch.
    """

    variant: str
    method: str
    seed: int
    parameters: int
    cpu_s: float
    cells: list[Cell]
    references: dict[str, dict[str, float]] = {}
    torch_imported: bool = False
