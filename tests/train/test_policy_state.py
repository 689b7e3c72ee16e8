"""Which state a policy is told in training."""

from dataclasses import replace

import numpy as np
import pytest
from clips import ROBOT, write_clips

from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.labels import Labels
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import LatentSpec
from lapa_edge.train.policy_state import measure_state, newest_step, states_at


@pytest.fixture(scope="module")
def half_labelled(tmp_path_factory):
    root = write_clips(tmp_path_factory.mktemp("data") / "clips", 4, labelled=True)
    return read_dataset(root, ReadOptions(labelled_share=0.5))


def labels_of(clips, frames):
    m = len(clips)
    return Labels(
        LatentSpec(n=1, k=2, d=1, gap_s=0.1), np.array(clips), np.array(frames, np.int32),
        np.zeros((m, 1), np.int32), np.zeros((m, 1, 1), np.float32), np.zeros(m, np.float32),
    )  # fmt: skip


def test_a_frame_is_told_the_newest_state_before_it_and_video_none(half_labelled):
    labelled = [e.name for e in half_labelled.episodes if e.steps is not None]
    assert labelled == ["clip_0", "clip_2"]
    labels = labels_of(["clip_2", "clip_1", "clip_0", "clip_2"], [0, 5, 3, 7])
    found = states_at(half_labelled, labels, measure_state(half_labelled))
    assert found.known.tolist() == [True, False, True, True]
    assert (found.state[1] == 0).all()
    steps = {e.name: e.steps for e in half_labelled.episodes}
    # The camera has 10 Hz, the robot 20: frame i is at step 2 i.
    for row, (clip, step) in {0: ("clip_2", 0), 2: ("clip_0", 6), 3: ("clip_2", 14)}.items():
        assert (found.state[row] == steps[clip].state[step]).all()


def test_before_the_first_step_no_state_is_known(half_labelled):
    steps = half_labelled.episodes[0].steps
    late = replace(steps, time_s=steps.time_s + 0.25)
    assert newest_step(late, np.array([0.0, 0.2, 0.25, 0.3])).tolist() == [-1, -1, 0, 1]


def test_the_scale_is_that_of_the_labelled_clips(half_labelled):
    spec = measure_state(half_labelled)
    state = np.concatenate([e.steps.state for e in half_labelled.episodes if e.steps is not None])
    assert spec.names == ROBOT.state_names
    np.testing.assert_allclose(spec.mean, state.mean(0), rtol=1e-5)
    np.testing.assert_allclose(spec.std, state.std(0), rtol=1e-5)


def test_video_without_any_state_is_refused(tmp_path):
    video = read_dataset(write_clips(tmp_path / "video", 1, labelled=False))
    with pytest.raises(DataError, match=r"no clip has steps.*leave --state out"):
        measure_state(video)


def test_the_state_of_another_robot_is_refused(half_labelled):
    spec = measure_state(half_labelled)
    other = replace(ROBOT, state_names=("a", "b"))
    with pytest.raises(ConfigError, match="expected states x_m, y_m, got a, b"):
        states_at(replace(half_labelled, robot=other), labels_of([], []), spec)
