"""Observations from real video: frames, words and, where labelled, the robot's own numbers."""

import numpy as np
import pytest
from agents import tiny_agent
from msgspec.structs import replace

from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders.videos import write_instructions, write_labels
from lapa_edge.data.video import write_video
from lapa_edge.errors import ConfigError
from lapa_edge.export.observations import check_observations, random_observations, read_observations
from lapa_edge.spec import StateSpec

FPS = 10.0


@pytest.fixture
def spec():
    return tiny_agent()[0].spec


def write_clips(root, spec, count, labelled=False, frames=8):
    """Clips whose brightness counts their frames; steps at twice the camera's rate."""
    root.mkdir()
    steps = {}
    for i in range(count):
        shades = (np.full((32, 48, 3), 20 * j, np.uint8) for j in range(frames))
        write_video(root / f"clip{i}.mp4", shades, FPS)
        t, s, a = 2 * frames, len(spec.state.names), len(spec.action.names)
        ramp = np.arange(t, dtype=np.float32)[:, None] / t
        steps[f"clip{i}"] = Steps(np.arange(t) / (2 * FPS), ramp + np.zeros(s), ramp - np.zeros(a))
    write_instructions(root, {f"clip{i}": f"reach block {i}" for i in range(count)})
    if labelled:
        robot = RobotSpec(
            control_hz=spec.action.control_hz,
            state_names=spec.state.names,
            action_names=spec.action.names,
            action_low=spec.action.low,
            action_high=spec.action.high,
            action_units=spec.action.units,
        )
        write_labels(root, robot, steps)
    return root


@pytest.mark.parametrize("count", [1, 3, 7, 16])
def test_as_many_observations_as_asked_for_are_spread_over_the_clips(tmp_path, spec, count):
    data = write_clips(tmp_path / "clips", spec, 4)
    observations = read_observations(data, spec, count)
    check_observations(observations, spec)
    assert len(observations) == count
    assert len(set(observations.instructions)) == min(4, -(-count // 4))
    assert observations.frames[0].shape == (32, 48, 3)


def test_short_clips_give_what_they_have(tmp_path, spec):
    data = write_clips(tmp_path / "clips", spec, 2, frames=3)
    observations = read_observations(data, spec, 50)
    check_observations(observations, spec)
    assert len(observations) == 6
    assert observations.source == "6 frames from 2 clips of clips"


def test_labelled_clips_lend_the_state_and_last_action_of_the_frame(tmp_path, spec):
    data = write_clips(tmp_path / "clips", spec, 1, labelled=True)
    observations = read_observations(data, spec, 8)
    for j in range(8):
        assert observations.frames[j].mean() == pytest.approx(20 * j, abs=4)
        # Frame j is shown with step 2 j, the first that sees it; the one before acted last.
        np.testing.assert_allclose(observations.states[j], 2 * j / 16, atol=1e-6)
        last = (2 * j - 1) / 16 if j else 0.0
        np.testing.assert_allclose(observations.last_actions[j], last, atol=1e-6)


def test_another_robots_data_is_refused(tmp_path, spec):
    data = write_clips(tmp_path / "clips", spec, 1, labelled=True)
    other = replace(spec, state=StateSpec(names=("x",), mean=(0.0,), std=(1.0,)))
    with pytest.raises(ConfigError, match=r"state: expected x as in the run, got joint_0"):
        read_observations(data, other, 2)
    action = replace(spec.action, names=("x", *spec.action.names[1:]))
    with pytest.raises(ConfigError, match=r"action: expected x, .* as in the run, got "):
        read_observations(data, replace(spec, action=action), 2)
    gripper = replace(spec.action, kinds=("gripper",) + ("delta",) * (len(action.names) - 1))
    with pytest.raises(ConfigError, match=r"kind: expected gripper as in the run, got delta"):
        read_observations(data, replace(spec, action=gripper), 2)


def test_random_observations_repeat_with_their_seed_and_say_what_they_are(spec):
    tokenizer = tiny_agent()[0].tokenizer
    one, same, other = (random_observations(spec, tokenizer, 3, seed) for seed in (1, 1, 2))
    check_observations(one, spec)
    np.testing.assert_array_equal(one.states, same.states)
    assert not np.array_equal(one.frames[0], other.frames[0])
    assert one.source == "3 random observations, seed 1: no data was given"
    assert one.latent_ages_s.max() <= spec.timing.max_latent_age_s
