"""A training run on disk: its config, its metrics, its weights, and where to resume.

    run/config.json         the frozen config the run was started with
    run/metrics.jsonl       one line per logged step
    run/checkpoint/         weights, their running average where there is one, optimizer moments and
                            step, replaced in one rename
    run/best.safetensors    the weights that did best on held-out data, and best.json of them
    run/model.safetensors   the finished weights; its presence means the stage is done

Nothing is pickled: tensors go to safetensors, the rest to JSON. Methods that take `writes` are
called by every process of a sharded training, for each has to lend its part; one of them writes.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lapa_edge.errors import ConfigError, DataError
from lapa_edge.train.sharding import gathered

Config = TypeVar("Config")

_PASSING = ("tensorboard", "log_every", "checkpoint_every_s")


class RunDirectory:
    """One stage's directory. A finished run is never trained again; an unfinished one goes on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.weights = root / "model.safetensors"
        self.best = root / "best.safetensors"
        self.metrics = root / "metrics.jsonl"
        self._checkpoint = root / "checkpoint"

    @property
    def finished(self) -> bool:
        """Whether the finished weights are there."""
        return self.weights.is_file()

    def fingerprint(self, best: bool = False) -> str:
        """SHA-256 of the finished weights, or of the best, in hex."""
        path = self.best if best else self.weights
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def open(self, config: Any, **also: str | int) -> None:
        """Save the config, or check that the run already here was started with the same one.

        Args:
            config: a frozen dataclass.
            also: what else must be the same, such as a fingerprint of the data.

        Raises:
            ConfigError: something differs that the result depends on; names it.
        """
        wanted = {**_plain(config), **also}
        path = self.root / "config.json"
        if path.is_file():
            found = _with_defaults(path, type(config))
            changed = [key for key in wanted if _decisive(wanted[key]) != _decisive(found.get(key))]
            if changed:
                raise ConfigError(
                    f"run {self.root}",
                    f"was started with another {', '.join(changed)}",
                    "resume with the same flags, or choose another --out",
                )
            return
        self.root.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(wanted, indent=1))

    def read_config(self, kind: type[Config]) -> Config:
        """The saved config, checked against its dataclass."""
        path = self.root / "config.json"
        if not path.is_file():
            raise DataError(f"run {self.root}", "no config.json", "is this a training run?")
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except msgspec.MsgspecError as error:
            raise DataError(
                f"run {self.root}", f"config.json is no {kind.__name__}: {error}"
            ) from error

    def log(self, record: dict[str, float]) -> None:
        """Append one line of metrics."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def save_checkpoint(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Mapping[str, Tensor] | None = None,
        writes: bool = True,
    ) -> None:
        """Replace the checkpoint by the state after `step` steps."""
        parts = {
            "model": _gathered(model.state_dict()),
            "optimizer": _moments(optimizer),
            "average": _gathered(average or {}),
        }
        if not writes:
            return
        staging = self.root / "checkpoint.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for name, tensors in parts.items():
            if tensors:
                _save(tensors, staging / f"{name}.safetensors")
        write_text(staging / "step.json", json.dumps({"step": step}))
        # A kill leaves the old checkpoint or the new one under one of three names, never half.
        old = self.root / "checkpoint.old"
        shutil.rmtree(old, ignore_errors=True)
        if self._checkpoint.is_dir():
            self._checkpoint.rename(old)
        staging.rename(self._checkpoint)
        shutil.rmtree(old, ignore_errors=True)

    def load_checkpoint(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Mapping[str, Tensor] | None = None,
    ) -> int:
        """Restore model, optimizer and, in place, the average of the weights.

        Returns:
            The steps already done, 0 where there is no checkpoint.
        """
        for name in ("checkpoint.new", "checkpoint.old"):  # killed between the two renames
            if not self._checkpoint.is_dir() and (self.root / name / "step.json").is_file():
                (self.root / name).rename(self._checkpoint)
        if not self._checkpoint.is_dir():
            return 0
        load_weights(model, self._checkpoint / "model.safetensors")
        _load_moments(optimizer, _load(self._checkpoint / "optimizer.safetensors"))
        if average:
            path = self._checkpoint / "average.safetensors"
            found = _load(path)
            _check_shapes(path, found, average)
            for name, tensor in average.items():
                tensor.copy_(found[name])
        step = read_json(self._checkpoint / "step.json", dict[str, int])["step"]
        return step

    def keep_best(
        self, model: nn.Module, step: int, found: dict[str, float], by: str, writes: bool = True
    ) -> None:
        """Keep the weights if no earlier step found more of the metric `by`.

        A step that is taken again after a kill finds what it found before.
        """
        tensors = _gathered(model.state_dict())
        path = self.root / "best.json"
        if not writes:
            return
        if path.is_file():
            kept = read_json(path, dict[str, float])
            if kept["step"] <= step and kept.get(by, -math.inf) >= found[by]:
                return
        staging = self.best.with_suffix(".new")
        _save(tensors, staging)
        staging.replace(self.best)
        write_text(path, json.dumps({"step": step, **found}))

    def finish(self, model: nn.Module, writes: bool = True) -> None:
        """Write the finished weights and drop the checkpoint."""
        tensors = _gathered(model.state_dict())
        if not writes:
            return
        staging = self.weights.with_suffix(".new")
        _save(tensors, staging)
        staging.replace(self.weights)
        shutil.rmtree(self._checkpoint, ignore_errors=True)

    def drop_metrics_after(self, step: int) -> None:
        """Forget what was logged of steps that a resumed run takes again."""
        if self.metrics.is_file():
            lines = self.metrics.read_text().splitlines()
            kept = [line for line in lines if _step_of(line) <= step]
            write_text(self.metrics, "".join(line + "\n" for line in kept))


def _with_defaults(path: Path, kind: type[Any]) -> dict[str, Any]:
    """A saved config; settings that are newer than the run have the defaults it ran with."""
    found = read_json(path, dict[str, Any])
    try:
        known = msgspec.convert(found, kind)
    except msgspec.ValidationError:
        return found  # what differs is named by the comparison
    return {**found, **_plain(known)}


def _plain(config: Any) -> dict[str, Any]:
    """As JSON has it, whole: of a dataclass that msgspec read itself it writes no defaults."""
    whole = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    return json.loads(msgspec.json.encode(whole))


def _decisive(value: Any) -> Any:
    """A setting without those parts that may change on the way: how often to save and tell."""
    if not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if name not in _PASSING}


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a safetensors state dict, naming what does not fit.

    Raises:
        DataError: no such file, not safetensors, or weights of another model.
    """
    found = _load(path)
    _check_shapes(path, found, model.state_dict())
    model.load_state_dict(found)


def _check_shapes(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    problems = [
        *(f"{name} is missing" for name in wanted.keys() - found.keys()),
        *(f"{name} is not part of this model" for name in found.keys() - wanted.keys()),
        *(
            f"{name}: expected {list(wanted[name].shape)}, got {list(found[name].shape)}"
            for name in wanted.keys() & found.keys()
            if wanted[name].shape != found[name].shape
        ),
    ]
    if problems:
        more = f" and {len(problems) - 2} more" if len(problems) > 2 else ""
        raise DataError(f"weights {path}", "; ".join(sorted(problems)[:2]) + more)


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"weights {path}", f"cannot be read ({error})") from error


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(tensors, path)
    except SafetensorError as error:  # what a full disk raises here is no OSError
        path.unlink(missing_ok=True)
        fix = "free some space and run the same command again"
        raise DataError(f"weights {path}", f"could not be written ({error})", fix) from error


def read_json(path: Path, kind: type[Config]) -> Config:
    """A small JSON file, checked against its type; `DataError` where it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        fix = "delete it and run the same command again"
        raise DataError(f"file {path}", f"is damaged ({error})", fix) from error


def write_text(path: Path, text: str) -> None:
    """Write a small file in one rename."""
    staging = path.with_name(path.name + ".new")
    staging.write_text(text)
    staging.replace(path)


def _gathered(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: gathered(tensor) for name, tensor in state.items()}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{name}": gathered(tensor)
        for index, moments in optimizer.state_dict()["state"].items()
        for name, tensor in moments.items()
    }


def _load_moments(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")  # a line cut short by a kill
