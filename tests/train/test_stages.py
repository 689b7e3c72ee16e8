"""The three stages over real files: what they learn, and that a killed run ends up the same."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from clips import write_clips
from safetensors.torch import load_file

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import read_labels
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.agent import InstructedPolicy
from lapa_edge.spec import TimingSpec
from lapa_edge.tokenizer import build_tokenizer
from lapa_edge.train.actions import actions_config, read_agent, train_actions
from lapa_edge.train.codec import read_codec
from lapa_edge.train.frame_codes import UNKNOWN, codes_of_store, frame_codes
from lapa_edge.train.frames import open_frames
from lapa_edge.train.label import label_video
from lapa_edge.train.latents import LatentsConfig, read_latent_model, train_latents
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.policy import policy_config, read_policy, train_policy
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory

DEBUG = PRESETS["debug"]
LOOP = LoopConfig(steps=30, batch=8, log_every=5, checkpoint_every_s=0.0, warmup_steps=5)
LATENTS = LatentsConfig(model=DEBUG.latents, loop=LOOP)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six labelled clips, with a cache for their frames beside them."""
    return write_clips(tmp_path_factory.mktemp("data") / "clips", 6, labelled=True)


@pytest.fixture(scope="module")
def store(folder: Path) -> FrameStore:
    return open_frames(read_dataset(folder), LATENTS.frame, folder.parent / "cache")


def latents_run(
    folder: Path, store: FrameStore, root: Path, config: LatentsConfig = LATENTS
) -> RunDirectory:
    train_latents(config, store, read_dataset(folder).fps, RunDirectory(root))
    return RunDirectory(root)


@pytest.fixture(scope="module")
def latents(folder: Path, store: FrameStore) -> RunDirectory:
    return latents_run(folder, store, folder.parent / "latents")


@pytest.fixture(scope="module")
def labels(folder: Path, store: FrameStore, latents: RunDirectory) -> Path:
    codec = read_codec(latents)
    pairs = FramePairs(store, (codec.latent.gap_s,), read_dataset(folder).fps)
    label_video(codec, latents.fingerprint(), store, pairs, folder.parent / "labels")
    return folder.parent / "labels"


def metrics(run: RunDirectory) -> list[dict[str, float]]:
    return [json.loads(line) for line in run.metrics.read_text().splitlines()]


def test_a_run_stopped_at_any_step_ends_with_the_same_weights(
    folder: Path, store: FrameStore, latents: RunDirectory, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    expected = load_file(latents.weights)
    saved = RunDirectory.save_checkpoint

    def killed(run: RunDirectory, step: int, *rest: object) -> None:
        saved(run, step, *rest)  # type: ignore[arg-type]
        if step == 13:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        latents_run(folder, store, tmp_path / "run")
    monkeypatch.undo()
    torch.manual_seed(123)  # whatever state the new process is in
    resumed = load_file(latents_run(folder, store, tmp_path / "run").weights)
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    steps = [record["step"] for record in metrics(RunDirectory(tmp_path / "run"))]
    assert steps == sorted(set(steps))


def test_ctrl_c_loses_no_step(
    folder: Path, store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = replace(LATENTS, loop=replace(LOOP, checkpoint_every_s=1e9))
    drawn = FramePairs.sample
    count = 0

    def pressed(pairs: FramePairs, rng: np.random.Generator, batch: int) -> object:
        nonlocal count
        count += 1
        if count == 9:
            signal.raise_signal(signal.SIGINT)
        return drawn(pairs, rng, batch)

    monkeypatch.setattr(FramePairs, "sample", pressed)
    with pytest.raises(KeyboardInterrupt):
        latents_run(folder, store, tmp_path, rare)
    assert json.loads((tmp_path / "checkpoint" / "step.json").read_text()) == {"step": 9}
    latents_run(folder, store, tmp_path, rare)
    assert count == LOOP.steps


def test_a_kill_between_the_two_renames_of_a_checkpoint_loses_nothing(
    folder: Path, store: FrameStore, latents: RunDirectory, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    saved = RunDirectory.save_checkpoint

    def killed(run: RunDirectory, step: int, *rest: object) -> None:
        saved(run, step, *rest)  # type: ignore[arg-type]
        if step == 7:
            (run.root / "checkpoint").rename(run.root / "checkpoint.new")
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        latents_run(folder, store, tmp_path / "run")
    monkeypatch.undo()
    resumed = load_file(latents_run(folder, store, tmp_path / "run").weights)
    assert all(torch.equal(v, resumed[n]) for n, v in load_file(latents.weights).items())


def test_a_finished_run_is_not_trained_again(
    folder: Path, store: FrameStore, latents: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> NoReturn:
        raise AssertionError("trained again")

    monkeypatch.setattr(FramePairs, "sample", forbidden)
    latents_run(folder, store, latents.root)


def test_a_run_does_not_go_on_with_other_settings(
    folder: Path, store: FrameStore, latents: RunDirectory
) -> None:
    with pytest.raises(ConfigError, match="was started with another motion_weight"):
        latents_run(folder, store, latents.root, replace(LATENTS, motion_weight=1.0))


def test_training_predicts_more_than_a_copy_of_the_frame(
    folder: Path, store: FrameStore, tmp_path: Path
) -> None:
    longer = replace(
        LATENTS,
        loop=replace(LOOP, steps=250, batch=16, learning_rate=3e-3, checkpoint_every_s=60.0),
    )
    first, *_, last = metrics(latents_run(folder, store, tmp_path, longer))
    assert last["loss"] < first["loss"]
    assert last["gain"] > 0


@pytest.mark.parametrize(("scratch", "look_state"), [(False, False), (True, False), (False, True)])
def test_policy_and_actions_train_and_read_back(
    labels: Path, latents: RunDirectory, folder: Path, store: FrameStore, tmp_path: Path,
    scratch: bool, look_state: bool,
) -> None:  # fmt: skip
    dataset = read_dataset(folder)
    found = read_labels(labels)
    stage2 = policy_config(dataset, found, DEBUG.policy, LOOP)
    run2 = RunDirectory(tmp_path / "policy")
    train_policy(stage2, dataset, store, found, run2)
    config2, instructed = read_policy(run2)
    assert config2 == stage2
    codebook = read_latent_model(latents)[1].quantizer.codebook.detach().clone()
    config = actions_config(
        dataset,
        latent=None if scratch else stage2.latent,
        tokenizer=stage2.tokenizer,
        policy=stage2.model,
        head=DEBUG.head,
        timing=TimingSpec(policy_hz=5.0, max_latent_age_s=0.4, blend_s=0.1),
        chunk=4,
        loop=LOOP,
        trunk_rate=0.3,
        look_state=look_state,
    )
    run3 = RunDirectory(tmp_path / "actions")
    trained = train_actions(
        config, None if scratch else (instructed, codebook), dataset, store, run3
    )
    config3, agent = read_agent(run3)
    assert config3 == config
    assert (config3.spec.latent is None) == scratch
    last = metrics(run3)[-1]
    assert last["hand_over_ratio"] > 0
    assert last["hand_over_at"] < last["at_once_at"], "the head is led over, and measured so"
    assert all(torch.equal(v, agent.state_dict()[n]) for n, v in trained.state_dict().items())
    if not scratch:
        assert torch.equal(agent.codebook, codebook)


def test_fine_tuning_keeps_the_codes_and_a_hidden_latent_keeps_weights_of_zero(
    latents: RunDirectory, folder: Path, store: FrameStore, tmp_path: Path
) -> None:
    dataset = read_dataset(folder)
    codec = read_codec(latents)
    codes = frame_codes(codec, store, dataset.fps)
    words = build_tokenizer(e.instruction for e in dataset.episodes)
    torch.manual_seed(0)
    instructed = InstructedPolicy(
        DEBUG.policy, codec.latent.n, codec.latent.k, words.vocabulary_size, words.max_tokens
    )
    codebook = read_latent_model(latents)[1].quantizer.codebook.detach().clone()
    config = actions_config(
        dataset,
        latent=codec.latent,
        tokenizer=words,
        policy=DEBUG.policy,
        head=DEBUG.head,
        timing=TimingSpec(policy_hz=5.0, max_latent_age_s=0.4),
        chunk=2,
        loop=LOOP,
        trunk_rate=0.5,
        latent_input="quantized",
        decoding="bins",
        code_weight=1.0,
    )
    run = RunDirectory(tmp_path / "actions")
    train_actions(config, (instructed, codebook), dataset, store, run, codes)
    _, agent = read_agent(run)
    told = [line["codes"] for line in metrics(run) if "codes" in line]
    assert told[-1] < told[0]
    context = agent.head.input.weight[:, config.spec.head_slices()["context"]]
    assert context.abs().max() == 0
    assert agent.bins is not None
    assert agent.bins.count.tolist() == [3, 2]  # the ways that the squares go
    with pytest.raises(ConfigError, match="expected the demos' codes, got none"):
        train_actions(config, (instructed, codebook), dataset, store, RunDirectory(tmp_path / "n"))
    with pytest.raises(ConfigError, match="a frozen trunk"):
        replace(config, trunk_rate=0.0)
    with pytest.raises(DataError, match="clip clip_0: expected codes of 12 frames, got none"):
        codes_of_store({"other": codes["clip_0"]}, store)


def test_the_last_frame_of_a_clip_has_no_code(
    latents: RunDirectory, folder: Path, store: FrameStore
) -> None:
    codes = codes_of_store(frame_codes(read_codec(latents), store, read_dataset(folder).fps), store)
    ends = [store.offset(name) + store.count(name) - 1 for name in store.names]
    assert np.flatnonzero((codes == UNKNOWN).all(axis=1)).tolist() == ends
    assert (np.delete(codes, ends, axis=0) >= 0).all()


def test_weights_of_another_preset_are_refused_by_name(
    latents: RunDirectory, tmp_path: Path
) -> None:
    other = RunDirectory(tmp_path)
    other.open(LatentsConfig(model=replace(DEBUG.latents, d=64)))
    other.weights.write_bytes(latents.weights.read_bytes())
    with pytest.raises(DataError, match=r"expected \[.*64.*\], got"):
        read_latent_model(other)


def test_a_directory_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        read_latent_model(RunDirectory(tmp_path))
