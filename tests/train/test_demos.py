"""Training moments: right frames, right ages, right chunks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from clips import FPS, ROBOT, write_clips

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.runtime.standstill import standing_still
from lapa_edge.spec import FrameSpec, PolicySpec, TextSpec, TimingSpec
from lapa_edge.tokenizer import build_tokenizer
from lapa_edge.train.demo_spec import check_demos, spec_from_demos, timing_of
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


def test_a_latent_takes_over_in_half_a_policy_period_unless_told() -> None:
    assert timing_of(10.0, 0.4).blend_s == pytest.approx(0.05)
    assert timing_of(1.0, 0.4).blend_s == 0.4, "as long as it may drive at most"
    assert timing_of(10.0, 0.4, 0.0).blend_s == 0
    with pytest.raises(ConfigError, match=r"timing.blend_s: expected 0 to 0.4.*got 0.5"):
        timing_of(10.0, 0.4, 0.5)


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


def test_a_latent_never_drives_longer_than_its_frame_is_old(tmp_path: Path) -> None:
    moments, _ = open_moments(tmp_path)
    batch = moments.sample(np.random.default_rng(0), 64, drop_last=0.0)
    assert (batch.index <= batch.age + 1e-5).all()
    ticks = batch.index * MAX_AGE_S * ROBOT.control_hz
    assert np.allclose(ticks, ticks.round(), atol=1e-4)
    assert set(ticks.round()) >= {0, 1, 2, 3}


def test_demos_of_another_robot_are_refused_by_the_name_that_is_missing(tmp_path: Path) -> None:
    moments, dataset = open_moments(tmp_path)
    spec = moments.spec
    state = msgspec.structs.replace(spec.state, names=("x_m", "z_m"))
    with pytest.raises(DataError, match=r"state: expected x_m, z_m, got x_m, y_m \(no z_m\)"):
        check_demos(msgspec.structs.replace(spec, state=state), dataset)
    action = msgspec.structs.replace(spec.action, names=("dx", "dy", "gripper"))
    with pytest.raises(DataError, match=r"action: expected dx, dy, gripper, got dx, dy"):
        check_demos(msgspec.structs.replace(spec, action=action), dataset)


def test_kinds_of_actions_give_their_scale_their_stop_and_what_they_hold(tmp_path: Path) -> None:
    robot = replace(
        ROBOT,
        state_names=("x_m", "reach"),
        action_names=("reach", "grip"),
        action_low=(0.0, -1.0),
        action_high=(2.0, 3.0),
        action_kinds=("absolute", "gripper"),
    )
    source = read_dataset(write_clips(tmp_path / "clips", 3, labelled=True))
    steps = [e.steps for e in source.episodes if e.steps is not None]
    episodes = tuple(
        replace(e, steps=replace(s, action=np.tile(np.float32([0.5 + i, 3.0]), (len(s), 1))))
        for i, (e, s) in enumerate(zip(source.episodes[:2], steps, strict=False))
    )
    action = spec_of(replace(source, robot=robot, episodes=episodes)).action
    assert (action.kinds, action.hold) == (("absolute", "gripper"), (1, -1))
    assert action.stop == (1.0, 3.0)  # how the demos begin
    assert (action.mean[1], action.std[1]) == (1.0, 2.0)  # its range
    spec = spec_of(replace(source, robot=robot, episodes=episodes))
    assert standing_still(spec.action, np.float32([0.0, 1.7])).tolist() == pytest.approx([1.7, 3.0])
    assert standing_still(spec.action, np.float32([0.0, 9.0]))[0] == 2.0  # within the limits


def spec_of(dataset: Dataset) -> PolicySpec:
    return spec_from_demos(
        dataset,
        frame=FrameSpec(height=48, width=48),
        latent=None,
        text=TextSpec(max_tokens=4, d=4),
        timing=TimingSpec(policy_hz=5.0, max_latent_age_s=MAX_AGE_S),
        context_dim=4,
        chunk=3,
    )


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
        spec_of(dataset)
