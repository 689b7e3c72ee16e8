"""The loop under every stage: batches in, finished weights out, resumable to the bit.

The randomness of step ``i`` is a function of the seed, ``i`` and the process alone, so a resumed
run needs no generator states to take the very steps that an uninterrupted one takes. Under
``accelerate launch`` or ``torchrun`` each process draws batches of its own and gradients are
averaged; the first process writes.
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
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

from lapa_edge.data.files import held_alone
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.progress import progress_bar
from lapa_edge.train.device import bf16_works
from lapa_edge.train.interrupts import interrupts_held
from lapa_edge.train.metrics import MetricsLog
from lapa_edge.train.run_directory import RunDirectory, load_weights


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
    accelerator = _accelerator()
    first = accelerator.is_main_process
    with accelerator.main_process_first():
        run.open(settings, data=data, processes=accelerator.num_processes)
    torch.manual_seed(config.seed)
    model = _images_last(build_model())
    if run.finished:
        log.info("%s is already finished: %s", label, run.root)
        load_weights(model, run.weights)
        return model.eval()
    optimizer = _optimizer(model, config, learning_rate_scales)
    with accelerator.main_process_first():
        done = run.load_checkpoint(model, optimizer)
    _check_together(accelerator, done, run)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    saved_at, pause_s = time.monotonic(), config.checkpoint_every_s
    with (
        held_alone(run.root, f"run {run.root}") if first else nullcontext(),
        progress_bar("{task.fields[metrics]}", shown=first) as bar,
        interrupts_held() as interrupted,
        MetricsLog(run, done, config.tensorboard, shown=first) as metrics_log,
    ):
        task = bar.add_task(label, total=config.steps, completed=done, metrics="")
        prepared.train()
        for step in range(done, config.steps):
            _set_learning_rate(optimizer, _schedule(step, config))
            rng = _seed_step(config.seed, step, accelerator.process_index)
            with accelerator.autocast():
                loss, metrics = loss_function(prepared, rng)
            optimizer.zero_grad(set_to_none=True)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(prepared.parameters(), config.clip_norm)
            _check_finite(norm, step, run)
            optimizer.step()
            last = step + 1 == config.steps
            if (step + 1) % config.log_every == 0 or last:
                bar.update(task, metrics=metrics_log.add(step + 1, {"loss": loss, **metrics}))
            bar.advance(task)
            if validation and first and ((step + 1) % config.validate_every == 0 or last):
                found = validation.measure(model.eval())
                prepared.train()
                bar.update(task, metrics=metrics_log.add(step + 1, found))
                run.keep_best(model, step + 1, found, validation.best)
            stop = _any_process(accelerator, interrupted())
            if first and (stop or time.monotonic() - saved_at > pause_s):
                began = time.monotonic()
                run.save_checkpoint(step + 1, model, optimizer)
                saved_at = time.monotonic()
                if config.checkpoint_every_s:
                    pause_s = max(config.checkpoint_every_s, SAVING_SHARE * (saved_at - began))
            if stop:
                raise KeyboardInterrupt
    if first:
        run.finish(model)
    accelerator.wait_for_everyone()
    return model.eval()


def unwrap(model: nn.Module) -> Any:
    """The model itself, without what distributed training wraps around it."""
    return getattr(model, "module", model)


def _accelerator() -> Accelerator:
    """bf16 where the device has it; parameters that a step leaves out are no error."""
    return Accelerator(
        cpu=not torch.cuda.is_available(),  # said aloud, several processes find each other
        mixed_precision="bf16" if bf16_works() else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def _check_together(accelerator: Accelerator, done: int, run: RunDirectory) -> None:
    """Processes that resume at different steps would wait for each other forever."""
    steps = accelerator.gather(torch.tensor([done], device=accelerator.device))
    if len(set(steps.tolist())) > 1:
        raise DataError(
            f"run {run.root}",
            f"the processes found checkpoints of steps {sorted(set(steps.tolist()))}",
            "give them one --out that all of them see",
        )


def _any_process(accelerator: Accelerator, happened: bool) -> bool:
    """Whether it happened on any process: all stop at the same step, or they would wait forever."""
    if accelerator.num_processes == 1:
        return happened
    flag = torch.tensor(float(happened), device=accelerator.device)
    return bool(accelerator.reduce(flag, reduction="sum") > 0)


def _check_finite(norm: Any, step: int, run: RunDirectory) -> None:
    if norm is not None and not math.isfinite(float(norm)):
        raise DataError(
            f"run {run.root}",
            f"the gradient is no longer finite in step {step + 1}",
            "lower --learning-rate, or look for damaged data",
        )


def _images_last(model: nn.Module) -> nn.Module:
    """Frames come as rows of RGB pixels; 2-D convolutions are a fifth faster when they stay so."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


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
    """Learning rate at `step`: linear warm-up, then constant or a cosine to zero."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
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
