"""UniPi on clips where the words alone say which way the square goes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import WAYS, write_clips

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.spec import FrameSpec
from lapa_edge.train.actions import read_agent
from lapa_edge.train.batches import frames_to_tensor
from lapa_edge.train.frames import open_frames
from lapa_edge.train.methods import Material, MethodConfig, train_method

CONFIG = MethodConfig(
    preset="debug", latent_steps=120, pretrain_steps=150, latent_batch=16, chunk=4, gap_s=(0.3,),
    learning_rate=3e-3,
)  # fmt: skip


def frames(cache: Path, dataset: Dataset, frame: FrameSpec) -> FrameStore:
    return open_frames(dataset, frame, cache)


@pytest.mark.slow
def test_the_actions_go_where_the_words_say(tmp_path: Path) -> None:
    video = read_dataset(write_clips(tmp_path / "video", 9, labelled=False))
    demos = read_dataset(write_clips(tmp_path / "demos", 6, labelled=True, seed=1))
    material = Material(video, demos, partial(frames, tmp_path / "cache"))
    config, agent = read_agent(train_method("unipi", material, CONFIG, tmp_path / "unipi"))
    spec = config.spec
    seen = material.frames(demos, spec.frame).frames("clip_0")[:6]  # of a square that goes right
    images = frames_to_tensor(seen, spec.frame, torch.device("cpu"))
    for way, (dx, dy) in WAYS.items():
        ids = torch.from_numpy(config.tokenizer.encode(f"move the square {way}")).expand(6, -1)
        with torch.inference_mode():
            _, _, context = agent.look(images, ids)
        first = context[:, :2].numpy() * np.array(spec.action.std) + np.array(spec.action.mean)
        went = first.mean(0)
        assert went @ (dx, dy) > 0.8 * np.linalg.norm(went) > 0.1, way
