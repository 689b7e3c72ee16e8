"""A policy meets only robots whose numbers mean the same: in rollouts, offline and in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from bundles import tiny_spec

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset, RobotSpec
from lapa_edge.data.robot_match import Mismatch, find_mismatch
from lapa_edge.errors import LapaError
from lapa_edge.evaluate.environments import simpler
from lapa_edge.evaluate.offline import check_data
from lapa_edge.evaluate.registry import ENVIRONMENTS
from lapa_edge.evaluate.rollout import check_fits
from lapa_edge.spec import PolicySpec
from lapa_edge.train.demo_spec import check_demos

ROBOT = RobotSpec(
    control_hz=50.0,
    state_names=("x", "lift"),
    action_names=("dx", "lift", "grip"),
    action_low=(-1.0, 0.0, 0.0),
    action_high=(1.0, 0.5, 1.0),
    action_units=("cm/step", "m", "1"),
    action_kinds=("delta", "absolute", "gripper"),
)


def spec_of(robot: RobotSpec) -> PolicySpec:
    """What a policy trained on this robot's demos says of itself."""
    spec, change = tiny_spec(a=len(robot.action_names)), msgspec.structs.replace
    plain = set(robot.kinds) == {"delta"}
    action = change(
        spec.action,
        names=robot.action_names,
        units=robot.action_units,
        low=robot.action_low,
        high=robot.action_high,
        kinds=() if plain else robot.kinds,
        control_hz=robot.control_hz,
    )
    return change(spec, state=change(spec.state, names=robot.state_names), action=action)


@pytest.mark.parametrize("robot", [ROBOT, *(entry.robot for entry in ENVIRONMENTS.values())])
def test_a_policy_meets_the_robot_that_it_was_trained_on(robot: RobotSpec) -> None:
    assert find_mismatch(spec_of(robot), robot) is None


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"state_names": ("x", "lift", "z")}, ("state", "x, lift", "x, lift, z")),
        ({"action_names": ("dx", "lift", "jaw")}, ("action", "dx, lift, grip",
                                                   "dx, lift, jaw (no grip)")),
        ({"control_hz": 20.0}, ("control rate", "50 Hz", "20")),
        ({"action_kinds": ("delta", "absolute", "delta")},
         ("action grip, kind", "gripper", "delta")),
        ({"action_kinds": ("delta", "delta", "gripper")},
         ("action lift, kind", "absolute", "delta")),
        ({"action_kinds": ()}, ("action lift, kind", "absolute", "delta")),
        ({"action_units": ("mm/step", "m", "1")}, ("action dx, unit", "cm/step", "mm/step")),
        ({"action_low": (-1.0, 0.0, -1.0)}, ("action grip, range", "0 to 1", "-1 to 1")),
        ({"action_high": (1.0, 0.5, 2.0)}, ("action grip, range", "0 to 1", "0 to 2")),
    ],
)  # fmt: skip
def test_the_first_number_that_means_another_thing_is_named(
    change: dict[str, object], found: tuple[str, str, str]
) -> None:
    other = replace(ROBOT, **change)  # type: ignore[arg-type]
    mismatch = find_mismatch(spec_of(ROBOT), other)
    assert mismatch == Mismatch(*found, remedy=mismatch.remedy if mismatch else "")


@pytest.mark.parametrize(
    "change",
    [
        {"action_units": ("", "", "")},  # LeRobot and RLDS tell none
        {"action_low": (-0.3, 0.1, 0.02), "action_high": (0.2, 0.4, 0.97)},  # as far as recorded
        {"action_stop": (0.5, 0.25, 1.0)},
    ],
)
def test_what_a_recording_leaves_open_is_no_mismatch(change: dict[str, object]) -> None:
    other = replace(ROBOT, **change)  # type: ignore[arg-type]
    assert find_mismatch(spec_of(ROBOT), other) is None
    assert find_mismatch(spec_of(other), ROBOT) is None


@pytest.mark.parametrize(
    "check",
    [
        lambda spec, robot: check_fits(spec, "sim", robot),
        lambda spec, robot: check_data(spec, Dataset(Path("there"), (), robot)),
        lambda spec, robot: check_demos(spec, Dataset(Path("there"), (), robot)),
    ],
    ids=["rollouts", "offline", "training"],
)
def test_rollouts_offline_evaluation_and_training_refuse_another_gripper(
    check: Callable[[PolicySpec, RobotSpec], None],
) -> None:
    check(spec_of(ROBOT), ROBOT)
    other = replace(ROBOT, action_kinds=("delta", "absolute", "delta"))
    with pytest.raises(LapaError, match=r"action grip, kind: .*gripper, .*delta; .*robot"):
        check(spec_of(ROBOT), other)


def test_demos_without_a_robot_are_refused() -> None:
    with pytest.raises(LapaError, match="expected x, lift, dx, lift, grip, got no labelled demos"):
        check_demos(spec_of(ROBOT), Dataset(Path("there"), ()))


def test_bridge_meets_simpler_once_its_gripper_is_told(shared_data: Path, tmp_path: Path) -> None:
    recorded = read_dataset(shared_data / "bridge_rlds").robot
    assert recorded is not None
    with pytest.raises(LapaError, match=r"action_6, kind: .*expects delta.*has gripper; say in "):
        check_fits(spec_of(recorded), "simpler", simpler.ROBOT)
    for path in (shared_data / "bridge_rlds").iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "robot.json").write_bytes(msgspec.json.encode(simpler.ROBOT))
    told = read_dataset(tmp_path).robot
    assert told is not None
    check_fits(spec_of(told), "simpler", simpler.ROBOT)
