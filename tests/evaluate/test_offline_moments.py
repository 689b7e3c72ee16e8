"""What an offline evaluation asks at each moment, and what it holds the answers against.

The toy Language Table's targets wander, so every moment has another truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pytest
from bundles import tiny_spec
from language_table import write_language_table
from numpy.typing import NDArray

from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.episode import Dataset, Episode, Steps
from lapa_edge.evaluate.offline import evaluate_offline
from lapa_edge.evaluate.offline_result import LAST, POLICY, OfflineResult
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session
from lapa_edge.spec import HEAD_PARTS, PolicySpec

P, LIMIT = 3, 0.01
CONSTANT = np.array([0.004, 0.02])  # the second beyond its limit


@dataclass
class Listening:
    """A policy that says code 1, and a head that answers `CONSTANT`; both keep what they hear."""

    spec: PolicySpec
    instruction: str = "push"
    seen_s: list[float] = field(default_factory=list)
    heard: list[NDArray[np.float32]] = field(default_factory=list)

    def look(self, frame: NDArray[np.uint8], seen_at_s: float) -> Latent:
        self.seen_s.append(seen_at_s)
        vector = np.zeros(self.spec.latent_dim, np.float32)
        context = np.zeros(self.spec.context_dim, np.float32)
        return Latent(np.ones(2, np.int32), vector, context, seen_at_s)

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self.heard.append(x.copy())
        normalised = (CONSTANT - self.spec.action.mean) / self.spec.action.std
        return np.tile(normalised, P).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = write_language_table(tmp_path_factory.mktemp("toy") / "lt", val=3)
    return read_dataset(root, ReadOptions(split="val"))


@pytest.fixture
def listening(dataset: Dataset) -> Listening:
    robot, change = dataset.robot, msgspec.structs.replace
    assert robot
    spec = tiny_spec(s=2, chunk=P, control_hz=robot.control_hz, policy_hz=5.0)
    action = change(
        spec.action, names=robot.action_names, units=robot.action_units, low=(-LIMIT,) * 2,
        high=(LIMIT,) * 2, mean=(0.0,) * 2, std=(0.01, 0.02),
    )  # fmt: skip
    state = change(spec.state, names=robot.state_names)
    return Listening(change(spec, action=action, state=state, head_inputs=HEAD_PARTS))


def judge(
    dataset: Dataset, listening: Listening, latency_s: float = 0.0, every: int = 1, **codes: object
) -> OfflineResult:
    session = Session.of(listening.spec, listening, listening)
    return evaluate_offline(
        lambda _: session, dataset, latency_s=latency_s, every=every, **codes  # type: ignore[arg-type]
    )  # fmt: skip


def moments(
    dataset: Dataset, latency_s: float, every: int
) -> list[tuple[Episode, Steps, int, int]]:
    """Episode, its steps, frame, and the step that the frame is answered at."""
    found = []
    for episode in dataset.episodes:
        assert episode.steps
        for frame in range(0, episode.frame_count, every):
            late = episode.steps.time_s >= frame / episode.fps + latency_s - 1e-6
            if late.any():
                found.append((episode, episode.steps, frame, int(late.argmax())))
    return found


@pytest.mark.parametrize(("latency_s", "every"), [(0.0, 1), (0.0, 3), (0.25, 1)])
def test_the_truth_of_a_moment_is_what_was_done_from_then_on(
    dataset: Dataset, listening: Listening, latency_s: float, every: int
) -> None:
    result = judge(dataset, listening, latency_s, every)
    told = np.clip(CONSTANT, -LIMIT, LIMIT)
    errors = []
    for _, steps, _, step in moments(dataset, latency_s, every):
        ahead = [steps.action[min(step + h, len(steps) - 1)] for h in range(P)]
        errors.append(np.abs(told - np.array(ahead, np.float64)))
    error = np.array(errors)  # [m, p, a]
    assert result.moments == len(error)
    by_action = [result.physical[POLICY][name].value for name in listening.spec.action.names]
    assert by_action == pytest.approx(error.mean((0, 1)))
    by_horizon = [one.value for one in result.normalised[POLICY]]
    assert by_horizon == pytest.approx((error / listening.spec.action.std).mean((0, 2)))


@pytest.mark.parametrize("latency_s", [0.0, 0.25])
def test_the_head_is_told_the_state_the_action_before_and_the_age(
    dataset: Dataset, listening: Listening, latency_s: float
) -> None:
    judge(dataset, listening, latency_s)
    spec, at = listening.spec, listening.spec.head_slices()
    expected = moments(dataset, latency_s, 1)
    assert len(listening.heard) == len(expected)
    for x, seen_s, (episode, steps, frame, step) in zip(
        listening.heard, listening.seen_s, expected, strict=True
    ):
        assert seen_s == pytest.approx(frame / episode.fps)
        state = (steps.state[step] - np.array(spec.state.mean)) / np.array(spec.state.std)
        assert x[at["state"]] == pytest.approx(state, abs=1e-5)
        before = steps.action[step - 1] if step else np.zeros(2)
        last = (before - np.array(spec.action.mean)) / np.array(spec.action.std)
        assert x[at["last_action"]] == pytest.approx(last, abs=1e-5)
        age = (steps.time_s[step] - frame / episode.fps) / spec.timing.max_latent_age_s
        assert x[at["latent_age"]] == pytest.approx([age], abs=1e-5)


def test_repeating_the_last_action_never_sees_the_next(
    dataset: Dataset, listening: Listening
) -> None:
    result = judge(dataset, listening)
    errors = []
    for _, steps, _, step in moments(dataset, 0.0, 1):
        before = steps.action[step - 1] if step else np.zeros(2)
        ahead = [steps.action[min(step + h, len(steps) - 1)] for h in range(P)]
        errors.append(np.abs(np.clip(before, -LIMIT, LIMIT) - np.array(ahead)).mean(0))
    found = [result.physical[LAST][name].value for name in listening.spec.action.names]
    assert found == pytest.approx(np.mean(errors, 0), abs=1e-7)


def test_codes_are_held_against_those_of_the_same_frame(
    dataset: Dataset, listening: Listening
) -> None:
    rng = np.random.default_rng(0)
    codes = {
        episode.name: (np.arange(2, 12), rng.integers(0, 4, (10, 2)))
        for episode in dataset.episodes
    }
    result = judge(dataset, listening, every=2, codes=codes)
    asked = np.concatenate([known[::2] for _, known in codes.values()])  # frames 2, 4, ..., 10
    assert result.code_accuracy
    assert result.sequence_accuracy
    assert result.code_accuracy.value == pytest.approx((asked == 1).mean())
    assert result.sequence_accuracy.value == pytest.approx((asked == 1).all(1).mean())


def test_an_action_that_never_varies_is_no_direction(
    dataset: Dataset, listening: Listening
) -> None:
    still = [
        replace(episode, steps=replace(steps, action=steps.action * np.array([1, 0], np.float32)))
        for episode in dataset.episodes
        if (steps := episode.steps)
    ]
    result = judge(replace(dataset, episodes=tuple(still)), listening)
    cosines = []
    for _, steps, _, step in moments(replace(dataset, episodes=tuple(still)), 0.0, 1):
        way = sum(float(steps.action[min(step + h, len(steps) - 1)][0]) for h in range(P))
        if abs(way) > 1e-5:
            cosines.append(np.sign(way))  # ours goes right
    assert result.cosine[POLICY].value == pytest.approx(np.mean(cosines), abs=1e-6)
