"""The five methods over real files: each from video and demos to an agent that reads back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
import torch
from clips import write_clips
from safetensors.torch import load_file

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.blocks import count_parameters
from lapa_edge.model.unipi import UniPi, UniPiConfig
from lapa_edge.spec import FrameSpec
from lapa_edge.train import methods
from lapa_edge.train.actions import read_agent
from lapa_edge.train.frames import open_frames
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.methods import METHODS, Material, MethodConfig, train_method
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory

CONFIG = MethodConfig(
    preset="debug", latent_steps=4, pretrain_steps=4, action_steps=4, latent_batch=4, batch=4,
    chunk=4, gap_s=(0.2,),
)  # fmt: skip


def frames(cache: Path, dataset: Dataset, frame: FrameSpec) -> FrameStore:
    return open_frames(dataset, frame, cache)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root = tmp_path_factory.mktemp("data")
    video = read_dataset(write_clips(root / "video", 4, labelled=True))
    demos = read_dataset(write_clips(root / "demos", 3, labelled=True, seed=1))
    return Material(video, demos, partial(frames, root / "cache"))


@pytest.fixture(scope="module")
def roots(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every method trained once, with one folder for what they share."""
    root = tmp_path_factory.mktemp("methods")
    for method in METHODS:
        train_method(method, material, CONFIG, root / method, root / "shared")
    return root


@pytest.mark.parametrize("method", METHODS)
def test_a_finished_method_is_opened_and_not_trained_again(
    method: str, material: Material, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> NoReturn:
        raise AssertionError("trained again")

    monkeypatch.setattr(methods, "train_at", forbidden)
    config, _ = read_agent(train_method(method, material, CONFIG, roots / method, roots / "shared"))
    assert (config.spec.latent is None) == (method != "lapa")
    assert config.spec.action.names == ("dx", "dy")


def test_vpt_and_unipi_share_one_inverse_dynamics(roots: Path) -> None:
    assert (roots / "shared" / "inverse_dynamics" / "model.safetensors").is_file()
    assert not any((roots / method / "inverse_dynamics").exists() for method in METHODS)
    assert "val_r2" in (roots / "shared" / "inverse_dynamics" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("method", ["vpt", "actionvla"])
def test_a_frozen_trunk_is_the_pretrained_one_and_the_head_goes_on(
    method: str, roots: Path
) -> None:
    before = load_file(roots / method / "pretraining" / "model.safetensors")
    after = load_file(roots / method / "actions" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("head.") for name in moved)
    # Four steps at 1e-3 move a weight by no more than that: it was not drawn anew.
    assert all((after[n] - before[n]).abs().max() < 0.01 for n in moved)


def test_a_trunk_rate_of_its_own_lets_one_method_go_on(
    material: Material, roots: Path, tmp_path: Path
) -> None:
    shutil.copytree(roots / "actionvla" / "pretraining", tmp_path / "pretraining")
    config = replace(CONFIG, trunk_rates={"actionvla": 0.5})
    after = load_file(train_method("actionvla", material, config, tmp_path).weights)
    before = load_file(tmp_path / "pretraining" / "model.safetensors")
    assert any(not torch.equal(before[n], after[n]) for n in before if n.startswith("instructed"))


def test_a_method_killed_between_its_runs_ends_the_same(
    material: Material, roots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("pseudo_labelled", "read_agent"):
        monkeypatch.setattr(methods, name, killed)
        with pytest.raises(KeyboardInterrupt):
            train_method("vpt", material, CONFIG, tmp_path, roots / "shared")
        monkeypatch.undo()
    run = train_method("vpt", material, CONFIG, tmp_path, roots / "shared")
    resumed = load_file(run.weights)
    expected = load_file(roots / "vpt" / "actions" / "model.safetensors")
    assert all(torch.equal(value, resumed[name]) for name, value in expected.items())


def test_a_folder_does_not_go_on_with_another_method_or_config(
    material: Material, roots: Path
) -> None:
    with pytest.raises(ConfigError, match="was started with another method"):
        train_method("vpt", material, CONFIG, roots / "scratch")
    with pytest.raises(ConfigError, match="was started with another action_steps"):
        train_method("scratch", material, replace(CONFIG, action_steps=5), roots / "scratch")


def test_settings_read_from_a_file_are_the_same_settings_when_read_again(tmp_path: Path) -> None:
    def read() -> MethodConfig:
        return msgspec.convert({"common": {"ema_decay": 0.5}}, MethodConfig)

    run = RunDirectory(tmp_path / "run")
    run.open(read())
    run.open(read())
    run.open(MethodConfig(common=LoopConfig(ema_decay=0.5)))
    with pytest.raises(ConfigError, match="was started with another common"):
        run.open(MethodConfig())


def test_an_unknown_method_names_those_there_are(material: Material, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of scratch, unipi, vpt, lapa, actionvla"):
        train_method("rt-2", material, CONFIG, tmp_path)


def test_actionvla_says_that_a_video_without_steps_teaches_it_nothing(
    material: Material, tmp_path: Path
) -> None:
    silent = tuple(replace(e, steps=None) for e in material.video.episodes)
    video = replace(material.video, episodes=silent)
    with pytest.raises(DataError, match="none of its 4 clips has steps"):
        train_method("actionvla", replace(material, video=video), CONFIG, tmp_path)


def test_actionvla_refuses_the_actions_of_another_robot(material: Material, tmp_path: Path) -> None:
    assert material.video.robot
    robot = replace(material.video.robot, action_names=("left_wheel", "right_wheel"))
    other = replace(material, video=replace(material.video, robot=robot))
    with pytest.raises(DataError, match=r"action_names: expected .*'dx', 'dy'.* got .*left_wheel"):
        train_method("actionvla", other, CONFIG, tmp_path)


def test_demos_without_steps_are_refused_at_once(material: Material) -> None:
    silent = tuple(replace(e, steps=None) for e in material.demos.episodes)
    with pytest.raises(DataError, match="expected labelled demos, got none"):
        Material(material.video, replace(material.demos, episodes=silent), material.frames)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"trunk_rates": {"scratch": 1.0}}, "expected one of lapa, vpt, actionvla, got scratch"),
     ({"trunk_rate": -1.0}, "trunk_rate"), ({"gap_s": ()}, "gap_s"), ({"batch": 0}, "batch")],
)  # fmt: skip
def test_settings_that_mean_nothing_are_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        replace(CONFIG, **change)  # type: ignore[arg-type]


def test_unipi_joins_what_was_trained(roots: Path) -> None:
    agent = load_file(roots / "unipi" / "actions" / "model.safetensors")
    predictor = load_file(roots / "unipi" / "predictor" / "model.safetensors")
    inverse = load_file(roots / "shared" / "inverse_dynamics" / "best.safetensors")
    for name, value in predictor.items():
        place = f"text.{name[5:]}" if name.startswith("text.") else f"policy.{name}"
        assert torch.equal(agent[f"instructed.{place}"], value)
    assert all(torch.equal(agent[f"instructed.policy.inverse.{n}"], v) for n, v in inverse.items())


def test_unipi_replans_every_two_frames_of_the_video(roots: Path) -> None:
    config, _ = read_agent(RunDirectory(roots / "unipi" / "actions"))
    assert config.spec.timing.policy_hz == pytest.approx(5.0)  # the clips run at 10 Hz
    assert config.spec.timing.max_latent_age_s == pytest.approx(0.4)
    assert config.spec.context_dim == config.spec.chunk_dim


def test_a_plan_that_ends_before_the_next_look_is_refused(
    material: Material, tmp_path: Path
) -> None:
    # Two frames at 10 Hz are four ticks at 20 Hz.
    with pytest.raises(ConfigError, match="4 control ticks, got 3; give at least 4"):
        train_method("unipi", material, replace(CONFIG, chunk=3), tmp_path / "unipi")
    assert not (tmp_path / "unipi" / "predictor").exists(), "before anything is trained"


@pytest.mark.parametrize(("preset", "budget"), [("tiny", 3e6), ("small", 30e6)])
def test_unipi_keeps_the_presets_budget(preset: str, budget: float) -> None:
    sizes = PRESETS[preset]
    inverse = replace(sizes.latents, action_dim=8, decoder_layers=0)
    policy = replace(sizes.policy, context_dim=8)
    assert count_parameters(UniPi(policy, UniPiConfig(inverse=inverse, action_dim=2))) < budget
