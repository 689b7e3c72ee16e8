from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.episode import Dataset, Episode, RobotSpec, Steps, is_labelled
from lapa_edge.data.video import VideoFile
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import ActionKind

VIDEO = VideoFile(Path("clip.mp4"))


def make_steps(t: int = 8, rate_hz: float = 20.0) -> Steps:
    return Steps(np.arange(t) / rate_hz, np.zeros((t, 2)), np.full((t, 3), 0.5))


def test_steps_take_their_dtypes() -> None:
    steps = make_steps()
    assert (steps.time_s.dtype, steps.state.dtype, steps.action.dtype) == ("f8", "f4", "f4")
    assert len(steps) == 8


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"state": np.zeros((7, 2))}, "state: expected 8 rows, one per time_s, got 7"),
        ({"action": np.zeros(8)}, r"action: expected \[t, a\], got \(8,\)"),
        ({"action": np.full((8, 3), np.nan)}, "action: expected finite numbers, got .*nan"),
        ({"state": np.full((8, 2), np.inf)}, "state: expected finite numbers, got .*inf"),
        ({"time_s": np.zeros(8)}, "time_s must increase, got 0 then 0 at step 1"),
    ],
)
def test_malformed_steps_are_refused(change: dict[str, np.ndarray], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        replace(make_steps(), **change)


def test_empty_steps_are_refused() -> None:
    with pytest.raises(DataError, match="no steps"):
        Steps(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 3)))


def test_a_step_sees_the_newest_frame_at_or_before_it() -> None:
    # Camera 20 Hz, control 80 Hz: four steps to a frame; the last frame stays until the end.
    steps = make_steps(t=13, rate_hz=80.0)
    episode = Episode("clip", VIDEO, fps=20.0, frame_count=3, steps=steps)
    assert episode.step_frames().tolist() == [0] * 4 + [1] * 4 + [2] * 5


def test_equal_rates_pair_step_and_frame_despite_rounding() -> None:
    episode = Episode("clip", VIDEO, fps=10.0, frame_count=500, steps=make_steps(500, 10.0))
    assert episode.step_frames().tolist() == list(range(500))


def test_unlabelled_episode_has_no_step_frames() -> None:
    assert len(Episode("clip", VIDEO, 10.0, 5).step_frames()) == 0


@pytest.mark.parametrize("shift_s", [-0.5, 60.0])
def test_steps_of_another_time_are_refused(shift_s: float) -> None:
    steps = make_steps()
    steps = replace(steps, time_s=steps.time_s + shift_s)
    with pytest.raises(DataError, match="seconds since the clip's first frame"):
        Episode("clip", VIDEO, 10.0, 10, steps=steps)


def test_labelled_keeps_only_episodes_with_steps(robot: RobotSpec) -> None:
    episodes = (Episode("a", VIDEO, 10.0, 9), Episode("b", VIDEO, 5.0, 9, steps=make_steps()))
    dataset = Dataset(Path(), episodes, robot)
    assert [e.name for e in dataset.labelled.episodes] == ["b"]
    assert dataset.fps == {"a": 10.0, "b": 5.0}


def test_two_clips_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="clip a: two videos share this name"):
        Dataset(Path(), (Episode("a", VIDEO, 10.0, 9), Episode("a", VIDEO, 10.0, 9)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"state_names": ("x",)}, r"state: expected 1 numbers \(x\), got 2"),
        ({"action_high": (1.0, 0.1, 1.0)}, "action dy is 0.5 in step 0, outside -1 to 0.1"),
    ],
)
def test_steps_of_another_robot_are_refused(
    robot: RobotSpec, change: dict[str, tuple[str, ...]], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        Dataset(
            Path(),
            (Episode("a", VIDEO, 10.0, 9, steps=make_steps()),),
            replace(robot, **change),  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    "change",
    [
        {"control_hz": 0.0},
        {"action_units": ("m",)},
        {"action_low": (2.0, -1.0, 0.0)},
        {"action_high": (float("inf"), 1.0, 1.0)},
        {"action_kinds": ("delta",)},
        {"action_stop": (0.0, 0.0)},
        {"action_stop": (0.0, 0.0, 2.0)},
        {"action_stop": (float("nan"), 0.0, 0.0)},
    ],
)
def test_malformed_robot_is_refused(robot: RobotSpec, change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="robot"):
        replace(robot, **change)  # type: ignore[arg-type]


def test_an_absolute_action_needs_the_state_it_is_a_target_of(robot: RobotSpec) -> None:
    kinds: tuple[ActionKind, ...] = ("absolute", "delta", "gripper")
    with pytest.raises(
        DataError, match=r"robot action dx: it is absolute, but the states are x, y"
    ):
        replace(robot, action_kinds=kinds)
    fitting = replace(robot, action_kinds=kinds, action_names=("x", "dy", "gripper"))
    assert fitting.kinds == kinds
    assert robot.kinds == ("delta",) * 3


def test_labelled_share_is_spread_evenly() -> None:
    assert [i for i in range(40) if is_labelled(i, 0.1)] == [0, 10, 20, 30]
    assert sum(is_labelled(i, 0.37) for i in range(1000)) == 370
    assert all(is_labelled(i, 1.0) for i in range(100))
    assert not any(is_labelled(i, 0.0) for i in range(100))
    with pytest.raises(ConfigError):
        is_labelled(0, 1.5)
