"""Clips held out of stage 1, and the best weights that they choose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from clips import write_clips

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import DataError
from lapa_edge.model.latent_action import LatentActionModel
from lapa_edge.train.frames import open_frames
from lapa_edge.train.held_out import hold_out, measure_held_out
from lapa_edge.train.latents import LatentsConfig, read_latent_model, train_latents
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory

FPS = {f"clip_{i:02d}": 10.0 for i in range(20)}


@pytest.fixture
def store() -> FrameStore:
    """Twenty clips of twelve frames that nobody looks at."""
    spans = {name: (12 * i, 12) for i, name in enumerate(FPS)}
    return FrameStore(np.zeros((240, 8, 8, 3), np.uint8), spans)


def test_whole_clips_are_held_out_and_never_trained_on(store: FrameStore) -> None:
    rest, held_out = hold_out(store, FPS, share=0.1, gap_s=0.3)
    assert held_out is not None
    clips = {int(i) // 12 for i in np.concatenate(held_out)}
    assert len(clips) == 2
    assert len(rest.names) == 18
    assert not clips & {rest.offset(name) // 12 for name in rest.names}
    assert (held_out[1] > held_out[0]).all()


def test_a_handful_of_clips_is_all_trained_on(store: FrameStore) -> None:
    few = store.only(tuple(FPS)[:5])
    assert hold_out(few, FPS, share=0.05, gap_s=0.3) == (few, None)
    assert hold_out(store, FPS, share=0.0, gap_s=0.3) == (store, None)


def test_a_copy_of_the_frame_gains_nothing(store: FrameStore) -> None:
    moving = FrameStore(
        np.random.default_rng(0).integers(0, 255, (24, 48, 48, 3)).astype(np.uint8),
        {"a": (0, 12), "b": (12, 12)},
    )
    model = LatentActionModel(PRESETS["debug"].latents).eval()
    model.to_pixels[-1].weight.data.zero_()
    model.to_pixels[-1].bias.data.zero_()
    pairs = (np.arange(10), np.arange(10) + 1)
    found = measure_held_out(model, pairs, moving, LatentsConfig().frame, k=8)
    assert abs(found["val_gain"]) < 1e-6
    assert 1 <= found["val_perplexity"] <= 8


def test_the_best_weights_are_those_of_the_best_look(tmp_path: Path) -> None:
    dataset = read_dataset(write_clips(tmp_path / "clips", 6, labelled=False))
    loop = LoopConfig(steps=24, batch=4, validate_every=4, learning_rate=3e-3)
    config = LatentsConfig(model=PRESETS["debug"].latents, loop=loop, held_out=0.3)
    store = open_frames(dataset, config.frame, tmp_path / "cache")
    run = RunDirectory(tmp_path / "run")
    train_latents(config, store, dataset.fps, run)
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    looks = {line["step"]: line["val_gain"] for line in lines if "val_gain" in line}
    assert sorted(looks) == [4, 8, 12, 16, 20, 24]
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert best["val_gain"] == max(looks.values()) == looks[best["step"]]
    _, model = read_latent_model(run, best=True)
    _, pairs = hold_out(store, dataset.fps, 0.3, config.label_gap_s)
    assert pairs is not None
    again = measure_held_out(model, pairs, store, config.frame, k=8)
    assert again["val_gain"] == pytest.approx(best["val_gain"], abs=1e-6)


def test_a_run_without_best_weights_says_so(tmp_path: Path) -> None:
    dataset = read_dataset(write_clips(tmp_path / "clips", 2, labelled=False))
    config = LatentsConfig(
        model=PRESETS["debug"].latents, loop=LoopConfig(steps=2, batch=2), held_out=0.0
    )
    store = open_frames(dataset, config.frame, tmp_path / "cache")
    run = RunDirectory(tmp_path / "run")
    train_latents(config, store, dataset.fps, run)
    with pytest.raises(DataError, match=r"best\.safetensors"):
        read_latent_model(run, best=True)
