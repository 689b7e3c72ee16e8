"""Rollouts on a simulated clock, with a bundle and an environment small enough to count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundles import write_tiny_bundle
from toy_environments import Line

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environment import Environment
from lapa_edge.evaluate.recording import record_clip, record_episode
from lapa_edge.evaluate.rollout import check_fits, run_episode
from lapa_edge.runtime.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    bundle = write_tiny_bundle(tmp_path / "bundle", policy_hz=10.0, control_hz=50.0)
    return Session(bundle, "walk")


def test_the_policy_looks_at_its_own_rate(session: Session) -> None:
    line = Line(goal=1e9)
    episode = run_episode(session, line, seed=3, latency_s=0.0)
    assert episode.steps == 40
    assert line.frames == 8  # every fifth of 40 steps
    assert len(episode.codes) == 8


def test_a_late_policy_stops_the_robot_until_its_first_answer_and_ages_after(
    session: Session,
) -> None:
    line = Line(goal=1e9)
    episode = run_episode(session, line, seed=3, latency_s=0.06)
    stop = np.array(session.spec.action.stop, np.float32)
    assert episode.stops == 3
    assert all(np.array_equal(action, stop) for action in line.actions[:3])
    # Answers are three steps old when they come, and seven when the next replaces them.
    assert min(episode.latent_age_s) == pytest.approx(3 / 50)
    assert max(episode.latent_age_s) == pytest.approx(7 / 50)


def test_the_same_seed_gives_the_same_episode(session: Session) -> None:
    one, other = (run_episode(session, Line(), seed=1, latency_s=0.02) for _ in range(2))
    assert one == other


def test_every_action_is_within_the_robots_limits(session: Session) -> None:
    line = Line(goal=1e9)
    run_episode(session, line, seed=0, latency_s=0.02)
    assert np.abs(np.array(line.actions)).max() <= 1.0


def test_a_bundle_for_another_robot_is_refused(session: Session) -> None:
    line: Environment = Line()
    line.robot = RobotSpec(
        control_hz=50.0,
        state_names=("wheel",),
        action_names=line.robot.action_names,
        action_low=line.robot.action_low,
        action_high=line.robot.action_high,
        action_units=line.robot.action_units,
    )
    with pytest.raises(ConfigError, match="state: the bundle expects"):
        check_fits(session.spec, line.name, line.robot)


def test_a_recording_keeps_one_frame_per_camera_tick_and_a_step_per_control_tick(
    tmp_path: Path,
) -> None:
    steps = record_clip(Line(), seed=0, fps=10.0, noise=0.0, path=tmp_path / "line.mp4")
    assert np.allclose(np.diff(steps.time_s), 1 / 50)
    assert (steps.action[:, 0] == 1).all()
    recording = record_episode(Line(), seed=0, fps=10.0, noise=0.0)
    assert recording is not None
    assert len(recording.frames) == -(-len(recording.steps) // 5)


def test_a_disturbed_expert_stays_within_limits_and_differs() -> None:
    recording = record_episode(Line(), seed=0, fps=10.0, noise=0.5)
    assert recording is not None
    assert np.abs(recording.steps.action).max() <= 1.0
    assert len(np.unique(recording.steps.action[:, 1])) > 3


def test_an_expert_that_fails_gives_no_recording() -> None:
    assert record_episode(Line(goal=1e9), seed=0, fps=10.0, noise=0.0) is None
