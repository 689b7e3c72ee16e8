"""Offline evaluation against episodes whose every number is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from bundles import write_tiny_bundle
from clips import ROBOT, write_clips
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.offline import evaluate_offline
from lapa_edge.evaluate.offline_result import LAST, MEAN, POLICY, STOP
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec

P = 3


class Constant:
    """A policy and head that always answer the same."""

    instruction = "go"

    def __init__(self, action: tuple[float, float], spec: PolicySpec, code: int = 1) -> None:
        normalised = (np.array(action) - spec.action.mean) / spec.action.std
        self.chunk = np.tile(normalised, P).astype(np.float32)
        self.code, self.spec = code, spec

    def look(self, frame: NDArray[np.uint8], seen_at_s: float) -> Latent:
        n = self.spec.latent.n if self.spec.latent else 0
        codes = np.full(n, self.code, np.int32)
        vector = np.zeros(self.spec.latent_dim, np.float32)
        return Latent(codes, vector, np.zeros(self.spec.context_dim, np.float32), seen_at_s)

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.chunk


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three clips: right, left, down, at half a pixel a step."""
    return read_dataset(write_clips(tmp_path / "clips", 3, labelled=True))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "bundle", chunk=P, s=2, control_hz=ROBOT.control_hz)


@pytest.fixture
def spec(bundle: Bundle) -> PolicySpec:
    state = msgspec.structs.replace(bundle.spec.state, names=ROBOT.state_names)
    action = msgspec.structs.replace(
        bundle.spec.action, names=ROBOT.action_names, units=ROBOT.action_units
    )
    return msgspec.structs.replace(bundle.spec, state=state, action=action)


def _constant(spec: PolicySpec, action: tuple[float, float], code: int = 1) -> Session:
    both = Constant(action, spec, code)
    return Session.of(spec, both, both)


def test_errors_and_directions_are_those_of_the_clips(dataset: Dataset, spec: PolicySpec) -> None:
    result = evaluate_offline(lambda _: _constant(spec, (0.5, 0.0)), dataset)
    assert result.episodes == 3
    assert result.horizon_s == pytest.approx([0, 0.05, 0.1])
    # Right is met exactly, left is 1 off in x, down half in x and half in y.
    assert result.physical[POLICY]["dx"].value == pytest.approx((0 + 1 + 0.5) / 3, abs=1e-5)
    assert result.physical[POLICY]["dy"].value == pytest.approx((0 + 0 + 0.5) / 3, abs=1e-5)
    assert result.physical[STOP]["dx"].value == pytest.approx(1 / 3, abs=1e-6)
    std = spec.action.std[0]
    for h in range(P):
        expected = (0 + 1 / 2 + 1 / 2) / 3 / std
        assert result.normalised[POLICY][h].value == pytest.approx(expected, abs=1e-5)
    assert result.cosine[POLICY].value == pytest.approx((1 - 1 + 0) / 3, abs=1e-5)
    assert result.cosine[STOP].value == 0
    assert result.on_course[POLICY].value == pytest.approx(1 / 3)
    assert result.on_course[STOP].value == 0
    # A recorded action never changes here: repeating it is right, but for the first, after a stop.
    last = result.normalised_mean[LAST].value
    assert last is not None
    assert last < result.normalised_mean[STOP].value / 5
    assert result.normalised_mean[MEAN].value > 0


@pytest.mark.parametrize(
    ("action", "right_way"),
    [
        ((0.5 * np.cos(0.5), 0.5 * np.sin(0.5)), True),  # 29 degrees off
        ((0.5 * np.cos(0.55), 0.5 * np.sin(0.55)), False),  # 32
        ((0.27, 0.0), True),
        ((0.23, 0.0), False),  # less than half as far
        ((0.95, 0.0), True),
        ((1.05, 0.0), False),  # more than twice
    ],
)
def test_a_chunk_is_on_course_within_an_angle_and_a_length(
    dataset: Dataset, spec: PolicySpec, action: tuple[float, float], right_way: bool
) -> None:
    alike = msgspec.structs.replace(spec.action, std=(1.0, 1.0), low=(-2.0, -2.0), high=(2.0, 2.0))
    same = msgspec.structs.replace(spec, action=alike)
    rightwards, *_ = evaluate_offline(lambda _: _constant(same, action), dataset).each
    assert rightwards.on_course[POLICY] == (rightwards.moving if right_way else 0)


def test_without_displacements_nothing_is_on_course(dataset: Dataset, spec: PolicySpec) -> None:
    told = replace(ROBOT, action_kinds=("gripper", "gripper"))
    grippers = msgspec.structs.replace(
        spec.action, kinds=told.kinds, low=told.action_low, high=told.action_high
    )
    grasps = msgspec.structs.replace(spec, action=grippers)
    result = evaluate_offline(lambda _: _constant(grasps, (0.5, 0.0)), replace(dataset, robot=told))
    assert result.on_course[POLICY].value is None


def test_intervals_draw_episodes_and_a_lone_one_has_none(
    dataset: Dataset, spec: PolicySpec
) -> None:
    many = evaluate_offline(lambda _: _constant(spec, (0.5, 0.0)), dataset)
    found = many.normalised_mean[POLICY]
    assert found.low < found.value < found.high
    alone = replace(dataset, episodes=dataset.episodes[:1])
    one = evaluate_offline(lambda _: _constant(spec, (0.5, 0.0)), alone)
    assert one.normalised_mean[POLICY].low is None


def test_codes_are_counted_beside_the_commonest(dataset: Dataset, spec: PolicySpec) -> None:
    names = [episode.name for episode in dataset.episodes]
    frames = np.arange(10)
    codes = {name: (frames, np.full((10, 2), i % 2)) for i, name in enumerate(names)}
    result = evaluate_offline(lambda _: _constant(spec, (0, 0), code=1), dataset, codes=codes)
    assert result.code_accuracy is not None
    assert result.code_accuracy.value == pytest.approx(1 / 3)
    assert result.commonest_code is not None
    assert result.commonest_code.value == pytest.approx(2 / 3)


def test_a_bundle_is_judged_on_every_second_frame(dataset: Dataset, bundle: Bundle) -> None:
    action = bundle.spec.action
    robot = replace(
        ROBOT,
        state_names=bundle.spec.state.names,
        action_names=action.names,
        action_units=action.units,
    )
    same = replace(dataset, robot=robot)
    whole = evaluate_offline(lambda words: Session(bundle, words), same)
    half = evaluate_offline(lambda words: Session(bundle, words), same, every=2)
    assert [e.moments for e in half.each] == [-(-e.moments // 2) for e in whole.each]
    assert whole.each[0].unknown == ["move", "square"]


def test_data_of_another_robot_is_refused_by_what_it_lacks(
    dataset: Dataset, bundle: Bundle
) -> None:
    with pytest.raises(ConfigError, match=r"state: .* \(no joint_0, joint_1\)"):
        evaluate_offline(lambda words: Session(bundle, words), dataset)


def test_other_action_dimensions_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "wide", s=2, a=5, control_hz=ROBOT.control_hz)
    other = replace(dataset, robot=replace(ROBOT, state_names=bundle.spec.state.names))
    with pytest.raises(ConfigError, match=r"action: the bundle expects velocity_0, .*has dx, dy"):
        evaluate_offline(lambda words: Session(bundle, words), other)


def test_data_without_steps_and_codes_of_another_space_are_refused(
    tmp_path: Path, dataset: Dataset, spec: PolicySpec
) -> None:
    video = read_dataset(write_clips(tmp_path / "video", 2, labelled=False))
    with pytest.raises(DataError, match="no episode has steps"):
        evaluate_offline(lambda _: _constant(spec, (0, 0)), video)
    codes = {dataset.episodes[0].name: (np.arange(3), np.full((3, 4), 7))}
    with pytest.raises(ConfigError, match="expected 2 out of 4, got 4 up to 7"):
        evaluate_offline(lambda _: _constant(spec, (0, 0)), dataset, codes=codes)


def test_every_camera_is_shown_and_a_missing_one_is_refused(
    dataset: Dataset, spec: PolicySpec
) -> None:
    two = msgspec.structs.replace(spec, cameras=("top", "wrist"))
    session, seen = _constant(two, (0.5, 0.0)), []
    policy = session.policy

    def look(frame: tuple[NDArray[np.uint8], ...], seen_at_s: float) -> Latent:
        seen.append(len(frame))
        return Constant.look(policy, frame[0], seen_at_s)  # type: ignore[arg-type]

    policy.look = look  # type: ignore[method-assign, misc, assignment]
    result = evaluate_offline(lambda _: session, dataset, [dataset])
    assert set(seen) == {2}
    assert len(seen) == result.moments
    with pytest.raises(ConfigError, match="looks through top, wrist, got 1 to read"):
        evaluate_offline(lambda _: session, dataset)
    fewer = replace(dataset, episodes=dataset.episodes[1:])
    with pytest.raises(DataError, match="camera wrist has none of this name"):
        evaluate_offline(lambda _: session, dataset, [fewer])


def test_a_head_that_would_stop_the_robot_is_refused(dataset: Dataset, spec: PolicySpec) -> None:
    session = _constant(spec, (float("nan"), 0.0))
    with pytest.raises(DataError, match="the action head answers NaN or infinity"):
        evaluate_offline(lambda _: session, dataset)
