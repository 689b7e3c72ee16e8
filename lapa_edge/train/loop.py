"""The loop under every stage: batches in, finished weights out, resumable to the bit.

The randomness of step ``i`` is a function of the seed and ``i`` alone, so a resumed run needs no
generator states to take the very steps that an uninterrupted one takes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from rich.progress import Progress, TaskID
from torch import Tensor, nn

from lapa_edge.errors import ConfigError
from lapa_edge.progress import progress_bar
from lapa_edge.train.interrupts import interrupts_held
from lapa_edge.train.run_directory import RunDirectory, load_weights


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    steps: int = 1000
    """Optimizer steps."""
    batch: int = 64
    """Samples per step and process."""
    learning_rate: float = 1e-3
    """Peak learning rate, reached after the warm-up, then a cosine to zero."""
    warmup_steps: int = 50
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """AdamW weight decay."""
    clip_norm: float = 1.0
    """Gradient norm above which gradients are scaled down."""
    checkpoint_every_s: float = 5.0
    """Seconds between checkpoints; Ctrl-C writes one of its own."""
    log_every: int = 20
    """Steps between lines of metrics."""
    seed: int = 0
    """Seed of the weights and of every batch."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"expected at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError("learning_rate", f"expected more than 0, got {self.learning_rate}")
        if self.seed < 0:
            raise ConfigError("seed", f"expected 0 or more, got {self.seed}")


log = logging.getLogger(__name__)

Losses = tuple[Tensor, dict[str, Tensor]]
LossFunction = Callable[[nn.Module, np.random.Generator], Losses]


def train(
    label: str,
    build_model: Callable[[], nn.Module],
    loss_function: LossFunction,
    config: LoopConfig,
    run: RunDirectory,
    learning_rate_scales: Sequence[tuple[str, float]] = (),
) -> nn.Module:
    """Train until ``config.steps``, from the checkpoint in `run` where there is one.

    Args:
        label: what the progress bar calls the stage.
        build_model: makes the model; called after seeding.
        loss_function: ``(model, rng) -> (loss, metrics)``, drawing its own batch from `rng`.
        config: see `LoopConfig`.
        run: where config, metrics and weights go.
        learning_rate_scales: ``(parameter name prefix, factor)`` for slower parts.

    Returns:
        The trained model, in evaluation mode.
    """
    torch.manual_seed(config.seed)
    accelerator = Accelerator()
    # Frames come as rows of RGB pixels; convolutions are a fifth faster when they stay so.
    model = build_model().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if run.finished:
        log.info("%s is already finished: %s", label, run.root)
        return _finished(model, run)
    optimizer = _optimizer(model, config, learning_rate_scales)
    done = run.load_checkpoint(model, optimizer)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    prepared.train()
    saved_at = time.monotonic()
    with progress_bar("{task.fields[metrics]}") as bar, interrupts_held() as interrupted:
        task = bar.add_task(label, total=config.steps, completed=done, metrics="")
        for step in range(done, config.steps):
            _set_learning_rate(optimizer, _schedule(step, config))
            rng = _seed_step(config.seed, step, accelerator.process_index)
            loss, metrics = loss_function(prepared, rng)
            optimizer.zero_grad(set_to_none=True)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(prepared.parameters(), config.clip_norm)
            optimizer.step()
            bar.advance(task)
            last = step + 1 == config.steps
            if accelerator.is_main_process and ((step + 1) % config.log_every == 0 or last):
                _log(run, bar, task, step + 1, {"loss": loss.detach(), **metrics})
            due = interrupted() or time.monotonic() - saved_at > config.checkpoint_every_s
            if accelerator.is_main_process and due:
                run.save_checkpoint(step + 1, model, optimizer)
                saved_at = time.monotonic()
            if interrupted():
                raise KeyboardInterrupt
    if accelerator.is_main_process:
        run.finish(model)
    accelerator.wait_for_everyone()
    return model.eval()


def unwrap(model: nn.Module) -> Any:
    """The model itself, without what distributed training wraps around it."""
    return getattr(model, "module", model)


def _finished(model: nn.Module, run: RunDirectory) -> nn.Module:
    load_weights(model, run.weights)
    return model.eval()


def _optimizer(
    model: nn.Module, config: LoopConfig, scales: Sequence[tuple[str, float]]
) -> torch.optim.Optimizer:
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = next((factor for prefix, factor in scales if name.startswith(prefix)), 1.0)
            groups.setdefault(scale, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": params, "scale": scale} for scale, params in groups.items()],
        lr=config.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
    )


def _schedule(step: int, config: LoopConfig) -> float:
    """Learning rate at `step`: linear warm-up, then a cosine to zero."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def _seed_step(seed: int, step: int, process: int) -> np.random.Generator:
    """The generator of one step's batch; torch's own is set from it for dropout and noise."""
    rng = np.random.default_rng([seed, step, process])
    torch.manual_seed(int(rng.integers(2**62)))
    return rng


def _log(
    run: RunDirectory, bar: Progress, task: TaskID, step: int, metrics: dict[str, Tensor]
) -> None:
    values = {name: float(value.detach()) for name, value in metrics.items()}
    run.log({"step": step, **values})
    bar.update(task, metrics="  ".join(f"{name} {v:.3g}" for name, v in values.items()))
