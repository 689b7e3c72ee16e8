"""Training moments: right frames, right ages, right chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import FPS, ROBOT, write_clips

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.errors import DataError
from lapa_edge.spec import FrameSpec, TextSpec, TimingSpec
from lapa_edge.tokenizer import build_tokenizer
from lapa_edge.train.demo_spec import spec_from_demos
from lapa_edge.train.demos import DemoMoments
from lapa_edge.train.frames import open_frames

MAX_AGE_S = 0.3


def open_moments(root: Path) -> tuple[DemoMoments, Dataset]:
    dataset = read_dataset(write_clips(root / "clips", 3, labelled=True))
    frame = FrameSpec(height=48, width=48)
    words = build_tokenizer(e.instruction for e in dataset.episodes)
    spec = spec_from_demos(
        dataset,
        frame=frame,
        latent=None,
        text=TextSpec(max_tokens=words.max_tokens, d=4),
        timing=TimingSpec(policy_hz=5.0, max_latent_age_s=MAX_AGE_S),
        context_dim=4,
        chunk=3,
    )
    store = open_frames(dataset, frame, root / "cache")
    return DemoMoments(spec, words, dataset, store, moments=5), dataset


def test_a_moment_is_a_step_within_the_age_limit_of_its_frame(tmp_path: Path) -> None:
    moments, dataset = open_moments(tmp_path)
    batch = moments.sample(np.random.default_rng(0), 64, drop_last=0.0)
    age_s = batch.age * MAX_AGE_S
    assert age_s.min() >= 0
    assert age_s.max() <= MAX_AGE_S + 1e-5
    assert len(np.unique(age_s.round(3))) > 3  # ages vary: the head must learn them
    spec = moments.spec
    state = batch.state * np.array(spec.state.std) + np.array(spec.state.mean)
    frame = np.repeat(batch.frame, 5)
    clip, index = np.divmod(frame, 12)
    for c, i, s, age in zip(clip, index, state, age_s, strict=True):
        steps = dataset.episodes[c].steps
        assert steps is not None
        step = round((i / FPS + age) * ROBOT.control_hz)
        assert np.allclose(steps.state[step], s, atol=1e-3)


def test_chunks_hold_the_last_action_past_the_end(tmp_path: Path) -> None:
    moments, dataset = open_moments(tmp_path)
    steps = dataset.episodes[0].steps
    assert steps is not None
    last = moments._chunk[len(steps) - 1].reshape(3, 2)
    assert np.array_equal(last[0], last[1])
    assert np.array_equal(last[0], last[2])


def test_the_first_last_action_is_standing_still(tmp_path: Path) -> None:
    moments, _ = open_moments(tmp_path)
    spec = moments.spec.action
    assert np.allclose(moments._last[0] * spec.std + spec.mean, spec.stop, atol=1e-6)


def test_video_without_steps_is_refused_as_demos(tmp_path: Path) -> None:
    dataset = read_dataset(write_clips(tmp_path / "clips", 2, labelled=False))
    with pytest.raises(DataError, match="expected labelled demos"):
        spec_from_demos(
            dataset,
            frame=FrameSpec(height=48, width=48),
            latent=None,
            text=TextSpec(max_tokens=4, d=4),
            timing=TimingSpec(policy_hz=5.0, max_latent_age_s=0.3),
            context_dim=4,
            chunk=3,
        )
