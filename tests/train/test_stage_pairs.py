"""Stages 2 and 3 in two processes: the training of one with twice the batch, also after a kill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import stage_pairs
import torch
from clips import write_clips
from safetensors.torch import load_file
from stage_pairs import DEBUG, LOOP, STAGES, train_as_two

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.pairs import FramePairs
from lapa_edge.train import actions, policy
from lapa_edge.train.codec import read_codec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.label import label_video
from lapa_edge.train.latents import LatentsConfig, train_latents
from lapa_edge.train.run_directory import RunDirectory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stage 1 by this process, then the four runs of `stage_pairs` in three sittings."""
    root = tmp_path_factory.mktemp("pairs")
    dataset = read_dataset(write_clips(root / "clips", 4, labelled=True))
    config, run = LatentsConfig(model=DEBUG.latents, loop=LOOP), RunDirectory(root / "latents")
    store = open_frames(dataset, config.frame, root / "cache")
    train_latents(config, store, dataset.fps, run)
    codec = read_codec(run)
    pairs = FramePairs(store, (codec.latent.gap_s,), dataset.fps)
    label_video(codec, run.fingerprint(), store, pairs, root / "labels")
    done = subprocess.run(
        [sys.executable, stage_pairs.__file__, str(root)],
        cwd=root, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    first, second, third = (line.split()[1:] for line in done.stdout.splitlines()[-3:])
    assert first[1] == second[1] == "-9", done.stderr[-3000:]
    assert third == ["0", "0"], done.stderr[-3000:]
    return root


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_both_processes_end_with_the_weights_that_are_kept(stage: str, root: Path) -> None:
    kept = load_file(root / stage / "model.safetensors")
    for rank in (0, 1):
        found = load_file(root / f"{stage}-rank{rank}.safetensors")
        assert all(value.equal(found[name]) for name, value in kept.items())
    lines = [json.loads(line) for line in (root / stage / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6, 8], "one process logs"


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_take_the_steps_of_one_with_the_batches_of_both(
    stage: str, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (policy, actions):
        monkeypatch.setattr(module, "train", train_as_two)
    STAGES[stage](root, tmp_path / stage)
    one = load_file(tmp_path / stage / "model.safetensors")
    two = load_file(root / stage / "model.safetensors")
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_process_changes_nothing_in_a_real_stage(stage: str, root: Path) -> None:
    alone = load_file(root / stage / "model.safetensors")
    killed = load_file(root / f"{stage}-killed" / "model.safetensors")
    assert alone.keys() == killed.keys()
    assert all(value.equal(killed[name]) for name, value in alone.items())
