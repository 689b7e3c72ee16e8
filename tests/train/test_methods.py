"""The five methods over real files: each from video and demos to an agent that reads back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from clips import write_clips

from lapa_edge.data.dataset import read_dataset
from lapa_edge.train.actions import read_agent
from lapa_edge.train.frames import open_frames
from lapa_edge.train.methods import METHODS, Material, MethodConfig, train_method

CONFIG = MethodConfig(
    preset="debug", latent_steps=4, pretrain_steps=4, action_steps=4, latent_batch=4, batch=4,
    chunk=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root = tmp_path_factory.mktemp("data")
    video = read_dataset(write_clips(root / "video", 4, labelled=True))
    demos = read_dataset(write_clips(root / "demos", 3, labelled=True, seed=1))
    return Material(video, demos, partial(frames, root / "cache"))


def frames(cache, dataset, frame):
    return open_frames(dataset, frame, cache)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_ends_in_an_agent(method: str, material: Material, tmp_path: Path) -> None:
    run = train_method(method, material, CONFIG, tmp_path / method)
    config, agent = read_agent(run)
