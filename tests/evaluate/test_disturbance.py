"""Troubles on request: seeded, apart from each other, and no more than was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import tiny_spec, write_tiny_bundle
from numpy.typing import NDArray
from toy_environments import Line

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.disturbance import Disturbance, Troubles, check_disturbance
from lapa_edge.evaluate.rollout import Episode, run_episode
from lapa_edge.runtime.session import Session

Run = Callable[..., tuple[Episode, list[NDArray[np.uint8]], Line]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    bundle = write_tiny_bundle(tmp_path / "bundle", policy_hz=10.0, control_hz=50.0)
    session = Session(bundle, "walk")

    def drive(
        latency_s: float = 0.0, seed: int = 3, **disturbance: float
    ) -> tuple[Episode, list[NDArray[np.uint8]], Line]:
        line, seen = Line(goal=1e9), list[NDArray[np.uint8]]()
        episode = run_episode(
            session,
            line,
            seed,
            latency_s,
            lambda frame, _: seen.append(frame.copy()),
            disturbance=Disturbance(**disturbance),
        )
        return episode, seen[:-1], line

    return drive


def test_the_same_seed_gives_the_same_troubles_and_another_seed_others(run: Run) -> None:
    wrong = {"latency_jitter_s": 0.04, "frame_drop": 0.3, "image_noise": 9.0, "state_noise": 0.2}
    one, again = run(0.06, seed=5, **wrong)[0], run(0.06, seed=5, **wrong)[0]
    assert one == again
    assert run(0.06, seed=6, **wrong)[0].latent_age_s != one.latent_age_s


def test_one_trouble_leaves_the_draws_of_the_others_as_they_were() -> None:
    def troubles(**disturbance: float) -> Troubles:
        return Troubles(Disturbance(**disturbance), 0.1, tiny_spec(), seed=1, ticks=200)

    alone = troubles(frame_drop=0.5)
    among = troubles(frame_drop=0.5, latency_jitter_s=0.1, image_noise=5.0, state_noise=1.0)
    frame, state = np.zeros((4, 4, 3), np.uint8), np.zeros(3, np.float32)
    lost = []
    for tick in range(200):
        among.blur(frame, tick)
        among.shake(state)
        lost.append(among.loses(tick))
    assert [alone.loses(tick) for tick in range(200)] == lost
    assert 60 < sum(lost) < 140


def test_a_policy_busy_with_one_frame_looks_again_when_it_is_free(run: Run) -> None:
    episode, _, _ = run(0.14)  # seven ticks: the period of five is too short for it
    assert episode.look_s == pytest.approx([0.0, 0.2, 0.4, 0.6])
    overlapping, _, _ = run(0.14, overlap=True)
    assert len(overlapping.look_s) == 8


def test_jitter_draws_every_looks_latency_around_the_mean() -> None:
    wrong = Disturbance(latency_jitter_s=0.04)
    troubles = Troubles(wrong, 0.1, tiny_spec(control_hz=100.0), seed=0, ticks=2000)
    delays = np.array([troubles.delay(tick) for tick in range(2000)])
    assert delays.min() == 7
    assert delays.max() == 14
    assert abs(delays.mean() - 10.5) < 0.2  # rounded up to the tick after the answer


def test_an_answer_between_two_ticks_waits_for_the_later_one() -> None:
    troubles = Troubles(Disturbance(), 0.05, tiny_spec(control_hz=10.0), seed=0, ticks=1)
    assert troubles.delay(0) == 1


def test_a_late_camera_shows_what_it_saw_before_and_the_first_frame_at_first(run: Run) -> None:
    episode, seen, line = run(0.0, camera_latency_s=0.06)
    # Frames carry the number of steps that had been made when they were taken.
    assert [int(frame[0, 0, 1]) for frame in seen] == [0, 2, 7, 12, 17, 22, 27, 32]
    assert line.frames == 9 + 1  # one per look, the first twice, and the last for the watcher
    assert max(episode.latent_age_s) == pytest.approx(4 / 50)  # the head is not told


def test_lost_frames_are_counted_and_looked_at_by_nobody(run: Run) -> None:
    episode, seen, _ = run(0.0, frame_drop=0.5)
    assert episode.lost > 0
    assert len(seen) == len(episode.codes) == 8 - episode.lost
    nothing, _, _ = run(0.0, frame_drop=1.0)
    assert nothing.stops == nothing.steps
    assert nothing.reasons == {"the policy has not looked yet": 40}


def test_image_noise_has_the_asked_spread_and_stays_a_picture() -> None:
    wrong = Disturbance(image_noise=10.0)
    troubles = Troubles(wrong, 0.0, tiny_spec(), seed=0, ticks=1)
    frame = np.full((64, 64, 3), 128, np.uint8)
    noisy = troubles.blur(frame, 0)
    assert noisy.dtype == np.uint8
    assert abs((noisy.astype(float) - 128).std() - 10) < 0.3
    assert (frame == 128).all()


def test_state_noise_is_a_share_of_the_training_spread() -> None:
    wrong = Disturbance(state_noise=0.2)
    troubles = Troubles(wrong, 0.0, tiny_spec(), seed=0, ticks=1)
    states = np.array([troubles.shake(np.zeros(3, np.float32)) for _ in range(3000)])
    assert states.std(0) == pytest.approx(0.2 * 0.5, rel=0.05)


@pytest.mark.parametrize(
    ("latency_s", "disturbance", "problem"),
    [
        (-0.1, {}, "--latency-s: expected 0 to 60, got -0.1"),
        (0.1, {"latency_jitter_s": 0.2}, "--latency-jitter-s: expected 0 to 0.1, the latency"),
        (0.1, {"frame_drop": 1.5}, "--frame-drop: expected 0 to 1, got 1.5"),
        (0.1, {"image_noise": float("nan")}, "--image-noise: expected 0 to 255, got nan"),
        (0.1, {"state_noise": -1.0}, "--state-noise: expected 0 or more, got -1"),
    ],
)
def test_a_disturbance_outside_its_range_is_named(
    latency_s: float, disturbance: dict[str, float], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        check_disturbance(Disturbance(**disturbance), latency_s)
