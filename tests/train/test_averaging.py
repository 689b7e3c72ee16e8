"""The running average of the weights: what is validated and kept, and resumed to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.errors import ConfigError
from lapa_edge.train.averaging import WeightAverage
from lapa_edge.train.loop import LoopConfig, Validation, train
from lapa_edge.train.run_directory import RunDirectory

LOOP = LoopConfig(
    steps=12, batch=4, warmup_steps=1, validate_every=5, checkpoint_every_s=0.0, ema_decay=0.8
)


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).requires_grad_(False))


def run(root: Path, config: LoopConfig = LOOP, seen: list[Tensor] | None = None) -> nn.Module:
    """Train; `seen` gets the first layer's weights as they are at the start of each step."""

    def loss(model: nn.Module, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if seen is not None:
            seen.append(model[0].weight.detach().clone())  # type: ignore[index]
        x = torch.from_numpy(rng.standard_normal((config.batch, 3), dtype=np.float32))
        return F.mse_loss(model(x), x[:, :2]), {}

    def measure(model: nn.Module) -> dict[str, float]:
        return {"sum": float(model[0].weight.detach().double().sum())}  # type: ignore[index]

    return train("train", build, loss, config, RunDirectory(root), config, "data",
                 validation=Validation(measure, "sum"))  # fmt: skip


def test_the_kept_weights_are_the_average_that_the_equation_says(tmp_path: Path) -> None:
    weights: list[Tensor] = []
    model = run(tmp_path / "with", seen=weights)
    last = run(tmp_path / "without", replace(LOOP, ema_decay=0.0))
    # The average is only watched: the training beneath it is the same.
    weights.append(last[0].weight.detach())  # type: ignore[index]
    average = weights[0].double()
    for t, after in enumerate(weights[1:]):
        keep = min(0.8, (1 + t) / (10 + t))
        average = keep * average + (1 - keep) * after.double()
    kept = load_file(tmp_path / "with" / "model.safetensors")["0.weight"]
    torch.testing.assert_close(kept.double(), average, rtol=1e-5, atol=1e-7)
    assert model[0].weight.equal(kept)  # type: ignore[index]
    assert not kept.equal(weights[-1])


def test_the_average_is_what_is_validated_and_kept_as_the_best(tmp_path: Path) -> None:
    run(tmp_path)
    best = json.loads((tmp_path / "best.json").read_text())
    kept = load_file(tmp_path / "best.safetensors")["0.weight"]
    assert best["sum"] == float(kept.double().sum())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    final = load_file(tmp_path / "model.safetensors")["0.weight"]
    assert lines[-1] == {"step": 12, "sum": float(final.double().sum())}


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_stopped_run_resumes_average_and_all_to_the_bit(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "alone")
    saved = RunDirectory.save_checkpoint

    def killed(directory: RunDirectory, step: int, *rest: object) -> None:
        saved(directory, step, *rest)  # type: ignore[arg-type]
        if step == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped")
    monkeypatch.undo()
    run(tmp_path / "stopped")
    for name in ("model.safetensors", "best.safetensors"):
        expected, found = (load_file(tmp_path / kind / name) for kind in ("alone", "stopped"))
        assert all(value.equal(found[key]) for key, value in expected.items())


def test_lent_weights_come_back_to_the_bit_even_after_an_error() -> None:
    model = build()
    average = WeightAverage(model, 0.5)
    own = model[0].weight.data.mul_(3).clone()  # type: ignore[index]
    with pytest.raises(ValueError, match="failed"), average.lent(model):
        assert not model[0].weight.equal(own)  # type: ignore[index]
        raise ValueError("failed")
    assert model[0].weight.equal(own)  # type: ignore[index]


def test_another_decay_is_another_run_and_a_decay_of_one_is_none(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(ConfigError, match="was started with another ema_decay"):
        run(tmp_path, replace(LOOP, ema_decay=0.5))
    with pytest.raises(ConfigError, match="ema_decay: expected 0 to below 1, got 1"):
        LoopConfig(ema_decay=1.0)


def test_a_run_older_than_a_setting_goes_on_with_its_default(tmp_path: Path) -> None:
    config = replace(LOOP, ema_decay=0.0)
    run(tmp_path, config)
    path = tmp_path / "config.json"
    old = json.loads(path.read_text())
    del old["ema_decay"]
    path.write_text(json.dumps(old))
    run(tmp_path, config)
    with pytest.raises(ConfigError, match="was started with another ema_decay"):
        run(tmp_path, LOOP)
