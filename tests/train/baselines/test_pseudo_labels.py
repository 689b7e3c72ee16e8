"""VPT's labels: the right action at the right control step, and no other folder's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from clips import FPS, FRAMES, ROBOT, write_clips
from msgspec.structs import replace as change
from torch import Tensor

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.latent_action import LatentActionModel
from lapa_edge.spec import FrameSpec, PolicySpec, TextSpec, TimingSpec
from lapa_edge.train.baselines.inverse import Inverse
from lapa_edge.train.baselines.pseudo_labels import MADE_OF, pseudo_labelled
from lapa_edge.train.demo_spec import spec_from_demos
from lapa_edge.train.frames import open_frames
from lapa_edge.train.latents import LatentsConfig
from lapa_edge.train.presets import PRESETS

GAP_S, STEPS = 0.2, 4  # two frames, four control steps at 20 Hz
FRAME = FrameSpec(height=48, width=48)


class Counting:
    """Answers pair after pair: the number of its first frame, in every step and dimension."""

    def __init__(self) -> None:
        self.asked = 0

    def read_actions(self, first: Tensor, second: Tensor) -> Tensor:
        numbers = torch.arange(self.asked, self.asked + len(first)) % (FRAMES - 2)
        self.asked += len(first)
        return numbers[:, None].float().expand(-1, STEPS * 2)


def counting(model: object | None = None) -> Inverse:
    config = LatentsConfig(model=PRESETS["debug"].latents)
    stub = cast(LatentActionModel, model or Counting())
    return Inverse(config, stub, GAP_S, STEPS, "sha")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(write_clips(tmp_path_factory.mktemp("data") / "clips", 3, labelled=True))


@pytest.fixture(scope="module")
def store(video: Dataset) -> FrameStore:
    return open_frames(video, FRAME, video.root.parent / "cache")


@pytest.fixture(scope="module")
def spec(video: Dataset) -> PolicySpec:
    """With actions small enough to meet no limit."""
    timing = TimingSpec(policy_hz=5.0, max_latent_age_s=0.4)
    text = TextSpec(max_tokens=16, d=8)
    made = spec_from_demos(video, FRAME, None, text, timing, context_dim=8, chunk=4)
    return change(made, action=change(made.action, mean=(0.0, 0.0), std=(0.05, 0.05)))


def test_a_step_is_the_mean_of_the_pairs_that_cover_it(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    labelled = pseudo_labelled(counting(), video, store, video, spec, tmp_path / "labels")
    assert len(labelled.episodes) == 3
    for episode in labelled.episodes:
        assert episode.steps is not None
        # Frame i covers steps 2 i to 2 i + 3: each step but the outer ones lies in two pairs.
        pairs = FRAMES - 2
        assert episode.steps.time_s == pytest.approx(np.arange(2 * pairs + 2) / ROBOT.control_hz)
        step = np.arange(2 * pairs + 2)
        newest, oldest = np.minimum(step // 2, pairs - 1), np.maximum(step // 2 - 1, 0)
        assert episode.steps.action[:, 0] == pytest.approx(0.05 * (newest + oldest) / 2)


def test_the_state_that_no_video_shows_normalises_to_zero(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    labelled = pseudo_labelled(counting(), video, store, video, spec, tmp_path / "labels")
    steps = labelled.episodes[0].steps
    assert steps is not None
    assert (steps.state - np.array(spec.state.mean)) / spec.state.std == pytest.approx(0, abs=1e-5)


def test_actions_beyond_the_robots_limits_are_cut(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    strong = change(spec, action=change(spec.action, std=(1.0, 1.0)))
    labelled = pseudo_labelled(counting(), video, store, video, strong, tmp_path / "labels")
    steps = labelled.episodes[0].steps
    assert steps is not None
    assert steps.action.max() == pytest.approx(ROBOT.action_high[0])


def test_labels_once_written_are_read_and_not_made_again(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    first = pseudo_labelled(counting(), video, store, video, spec, tmp_path / "labels")
    model = Counting()
    again = pseudo_labelled(counting(model), video, store, video, spec, tmp_path / "labels")
    assert model.asked == 0
    for one, other in zip(first.episodes, again.episodes, strict=True):
        assert one.steps is not None and other.steps is not None
        assert (one.steps.action == other.steps.action).all()


def test_a_kill_while_labelling_leaves_no_labels(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lapa_edge.train.baselines.pseudo_labels.write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        pseudo_labelled(counting(), video, store, video, spec, tmp_path / "labels")
    assert not (tmp_path / "labels").exists()
    monkeypatch.undo()
    pseudo_labelled(counting(), video, store, video, spec, tmp_path / "labels")
    assert [path.name for path in tmp_path.iterdir()] == ["labels"]


def test_labels_of_another_model_are_refused(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    pseudo_labelled(counting(), video, store, video, spec, tmp_path / "labels")
    other = replace(counting(), fingerprint="another")
    with pytest.raises(ConfigError, match="were made with another model"):
        pseudo_labelled(other, video, store, video, spec, tmp_path / "labels")
    assert json.loads((tmp_path / "labels" / MADE_OF).read_text())["model"] == "sha"


def test_a_frame_rate_that_does_not_know_the_gap_is_named(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    slow = replace(video, episodes=tuple(replace(e, fps=0.3 * FPS) for e in video.episodes))
    with pytest.raises(DataError, match=r"clip clip_0: at 3 Hz its frames lie 0.333333 s apart"):
        pseudo_labelled(counting(), slow, store, video, spec, tmp_path / "labels")


def test_clips_shorter_than_the_gap_say_so(
    video: Dataset, store: FrameStore, spec: PolicySpec, tmp_path: Path
) -> None:
    long = replace(counting(), gap_s=FRAMES / FPS)
    with pytest.raises(DataError, match=r"no clip is longer than 1\.2 s"):
        pseudo_labelled(long, video, store, video, spec, tmp_path / "labels")
