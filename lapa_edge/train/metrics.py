"""What a training says of itself: JSONL always, TensorBoard where asked for, and a short line."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from torch import Tensor

from lapa_edge.errors import MissingDependencyError
from lapa_edge.train.run_directory import RunDirectory


class MetricsLog:
    """Metrics of one run, by step; does nothing on processes that are not the first.

    Args:
        run: ``metrics.jsonl`` and ``tensorboard/`` go there.
        done: steps of earlier sittings; what was written beyond them is dropped.
        tensorboard: write for TensorBoard too.
        shown: whether this process writes.
    """

    def __init__(self, run: RunDirectory, done: int, tensorboard: bool, shown: bool) -> None:
        self._run = run
        self._shown = shown
        if shown:
            run.drop_metrics_after(done)
        self._board = _board(run, done) if tensorboard and shown else None

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._board:
            self._board.close()

    def add(self, step: int, metrics: dict[str, Tensor] | dict[str, float]) -> str:
        """Write the metrics of `step`; returns them as a short line."""
        values = {
            name: float(value.detach() if isinstance(value, Tensor) else value)
            for name, value in metrics.items()
        }
        if self._shown:
            self._run.log({"step": step, **values})
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        return "  ".join(f"{name} {value:.3g}" for name, value in values.items())


def _board(run: RunDirectory, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "tensorboard", "is not installed", "pip install 'lapa-edge[tensorboard]'"
        ) from error
    return SummaryWriter(str(run.root / "tensorboard"), purge_step=done + 1 if done else None)
