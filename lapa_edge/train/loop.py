"""The loop under every stage: batches in, finished weights out, resumable to the bit.

The randomness of step ``i`` is a function of the seed, ``i`` and the process alone, so a resumed
run needs no generator states to take the very steps that an uninterrupted one takes. Under
``accelerate launch`` or ``torchrun`` each process draws batches of its own and gradients are
averaged; with ``--use_fsdp`` weights and moments are spread over them, too. The first process
writes. Two processes resume to the bit as one does; of more, a sum's order, and so its last bit, is
the communication library's.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from lapa_edge.data.files import held_alone
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.progress import progress_bar
from lapa_edge.train.averaging import WeightAverage
from lapa_edge.train.interrupts import interrupts_held
from lapa_edge.train.metrics import MetricsLog
from lapa_edge.train.optimizer import build_optimizer, learning_rate, set_learning_rate
from lapa_edge.train.processes import any_process, build_accelerator, check_together
from lapa_edge.train.run_directory import RunDirectory, load_weights
from lapa_edge.train.sharding import gathered, shard, shard_state, sharding_asked


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    steps: int = 1000
    """Optimizer steps."""
    batch: int = 64
    """Samples per step and process."""
    learning_rate: float = 1e-3
    """Peak learning rate, reached after the warm-up."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """cosine: down to zero at the last step."""
    warmup_steps: int = 50
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """AdamW weight decay."""
    clip_norm: float = 1.0
    """Gradient norm above which gradients are scaled down."""
    ema_decay: float = 0.0
    """Decay of the running average of the weights, which is what is validated and kept; 0 is
    none, and the last weights are kept."""
    checkpoint_every_s: float = 5.0
    """Seconds between checkpoints, more where saving takes long; 0 is every step. Ctrl-C writes one
    of its own."""
    log_every: int = 20
    """Steps between lines of metrics."""
    validate_every: int = 200
    """Steps between looks at held-out data, where a stage has any; the best weights are kept."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard as well."""
    seed: int = 0
    """Seed of the weights and of every batch."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(name, f"expected at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError("learning_rate", f"expected more than 0, got {self.learning_rate}")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError("ema_decay", f"expected 0 to below 1, got {self.ema_decay}")
        if self.seed < 0:
            raise ConfigError("seed", f"expected 0 or more, got {self.seed}")


log = logging.getLogger(__name__)

SAVING_SHARE = 20  # checkpoints take at most a twentieth of the time

Losses = tuple[Tensor, dict[str, Tensor]]
LossFunction = Callable[[nn.Module, np.random.Generator], Losses]


@dataclass(frozen=True)
class Validation:
    """What a stage measures on held-out data, and by which number it keeps its best weights.

    Attributes:
        measure: the model in evaluation mode -> metrics by name; draws nothing at random.
        best: the metric of which more is better.
    """

    measure: Callable[[nn.Module], dict[str, float]]
    best: str


def train(
    label: str,
    build_model: Callable[[], nn.Module],
    loss_function: LossFunction,
    config: LoopConfig,
    run: RunDirectory,
    settings: Any,
    data: str,
    learning_rate_scales: Sequence[tuple[str, float]] = (),
    validation: Validation | None = None,
) -> nn.Module:
    """Train until ``config.steps``, from the checkpoint in `run` where there is one.

    Args:
        label: what the progress bar calls the stage.
        build_model: makes the model; called after seeding.
        loss_function: ``(model, rng) -> (loss, metrics)``, drawing its own batch from `rng`.
        config: see `LoopConfig`.
        run: where settings, metrics and weights go.
        settings: of the stage; saved with the run, and what a resumed run is checked against.
        data: fingerprint of what is learned from, checked likewise.
        learning_rate_scales: ``(parameter name prefix, factor)`` for slower parts.
        validation: looked at now and then, if given; the best weights are kept beside the last.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        ConfigError: the run was started with other settings, or another process trains it.
        DataError: the gradient is no longer finite.
        KeyboardInterrupt: after Ctrl-C, with a checkpoint written.
    """
    accelerator = build_accelerator()
    first = accelerator.is_main_process
    with accelerator.main_process_first():
        run.open(settings, data=data, processes=accelerator.num_processes)
    torch.manual_seed(config.seed)
    model = build_model()
    if not sharding_asked():  # which knows parameters of one order only
        _images_last(model)
    if run.finished:
        log.info("%s is already finished: %s", label, run.root)
        load_weights(model, run.weights)
        return model.eval()
    state = _prepare(accelerator, model, config, learning_rate_scales, run)
    averaged = state.average.weights if state.average else {}
    saved_at, pause_s = time.monotonic(), config.checkpoint_every_s
    with (
        held_alone(run.root, f"run {run.root}") if first else nullcontext(),
        progress_bar("{task.fields[metrics]}", shown=first) as bar,
        interrupts_held() as interrupted,
        MetricsLog(run, state.done, config.tensorboard, shown=first) as metrics_log,
    ):
        task = bar.add_task(label, total=config.steps, completed=state.done, metrics="")
        state.wrapped.train()
        for step in range(state.done, config.steps):
            metrics = _take_step(accelerator, state, loss_function, config, step, run)
            last = step + 1 == config.steps
            if (step + 1) % config.log_every == 0 or last:
                bar.update(task, metrics=metrics_log.add(step + 1, metrics))
            bar.advance(task)
            if validation and state.here and ((step + 1) % config.validate_every == 0 or last):
                with state.average.lent(model) if state.average else nullcontext():
                    found = validation.measure(model.eval())
                    run.keep_best(model, step + 1, found, validation.best, first)
                state.wrapped.train()
                bar.update(task, metrics=metrics_log.add(step + 1, found))
            due = first and time.monotonic() - saved_at > pause_s
            stop, due = any_process(accelerator, interrupted(), due)
            if state.here and (stop or due):
                began = time.monotonic()
                run.save_checkpoint(step + 1, model, state.optimizer, averaged, first)
                saved_at = time.monotonic()
                if config.checkpoint_every_s:
                    pause_s = max(config.checkpoint_every_s, SAVING_SHARE * (saved_at - began))
            if stop:
                raise KeyboardInterrupt
    if state.average:
        state.average.give(model)
    if state.here:
        run.finish(model, first)
    accelerator.wait_for_everyone()
    if state.sharded:  # the caller's model is whole
        model = build_model()
        load_weights(model, run.weights)
    return model.eval()


def unwrap(model: nn.Module) -> Any:
    """The model itself, without what distributed training wraps around it."""
    return getattr(model, "module", model)


@dataclass(frozen=True)
class _State:
    """A training under way.

    wrapped: the model as losses call it. here: whether this process checkpoints and validates: the
    first does, and of a sharded model, of which each holds a part, all do. done: steps of earlier
    sittings.
    """

    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    sharded: bool
    here: bool
    done: int


def _prepare(
    accelerator: Accelerator,
    model: nn.Module,
    config: LoopConfig,
    scales: Sequence[tuple[str, float]],
    run: RunDirectory,
) -> _State:
    """Resume, then spread over the processes: a checkpoint holds whole tensors."""
    optimizer = build_optimizer(model, config, scales)
    average = WeightAverage(model, config.ema_decay) if config.ema_decay else None
    averaged = average.weights if average else {}
    with accelerator.main_process_first():
        done = run.load_checkpoint(model, optimizer, averaged)
    check_together(accelerator, done, run.root)
    sharded = sharding_asked() and accelerator.num_processes > 1
    if sharded:
        shard(model, accelerator.num_processes, accelerator.device)
        whole, optimizer = optimizer, build_optimizer(model, config, scales)
        shard_state(whole, optimizer, averaged)
        wrapped = model
    else:
        wrapped, optimizer = accelerator.prepare(model, optimizer)
    here = accelerator.is_main_process or sharded
    return _State(wrapped, optimizer, average, sharded, here, done)


def _take_step(
    accelerator: Accelerator,
    state: _State,
    loss_function: LossFunction,
    config: LoopConfig,
    step: int,
    run: RunDirectory,
) -> dict[str, Tensor]:
    """One step of the optimizer; returns its metrics."""
    set_learning_rate(state.optimizer, learning_rate(step, config))
    rng = _seed_step(config.seed, step, accelerator.process_index)
    with accelerator.autocast():
        loss, metrics = loss_function(state.wrapped, rng)
    state.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    norm = nn.utils.clip_grad_norm_(state.wrapped.parameters(), config.clip_norm)
    _check_finite(float(gathered(norm)), step, run)
    state.optimizer.step()
    if state.average:
        state.average.update(unwrap(state.wrapped), step)
    return {"loss": loss, **metrics}


def _check_finite(norm: float, step: int, run: RunDirectory) -> None:
    if not math.isfinite(norm):
        raise DataError(
            f"run {run.root}",
            f"the gradient is no longer finite in step {step + 1}",
            "lower --learning-rate, or look for damaged data",
        )


def _images_last(model: nn.Module) -> None:
    """Frames come as rows of RGB pixels; 2-D convolutions are a fifth faster when they stay so."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _seed_step(seed: int, step: int, process: int) -> np.random.Generator:
    """The generator of one step's batch; torch's own is set from it for dropout and noise."""
    rng = np.random.default_rng([seed, step, process])
    torch.manual_seed(int(rng.integers(2**62)))
    return rng
