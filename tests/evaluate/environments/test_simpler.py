"""The real SIMPLER, where it is installed: point LAPA_SIMPLER to a checkout beside SAPIEN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import ArrayLike

from lapa_edge.evaluate.environment import score
from lapa_edge.evaluate.environments.simpler import ENTRY, INSTRUCTIONS, Simpler

STILL = (0.0,) * 6 + (1.0,)


@pytest.fixture(scope="module", params=INSTRUCTIONS)
def task(request: pytest.FixtureRequest) -> Iterator[Simpler]:
    if missing := ENTRY.missing(None):
        pytest.skip(f"NO SIMPLER ({missing}): set LAPA_SIMPLER; nothing was checked")
    environment = Simpler(request.param)
    environment.reset(0)
    yield environment
    environment.close()


def moved(task: Simpler, action: ArrayLike) -> np.ndarray:
    """The change of the state by three such steps, once the arm has come to rest."""
    before = task.state()
    rest = (0.0,) * 6 + (np.asarray(action)[6],)
    for step in (action, action, action, rest, rest, rest):
        task.step(np.asarray(step, np.float32))
    return task.state() - before


def test_an_episode_begins_as_bridges_do(task: Simpler) -> None:
    task.reset(0)
    assert task.instruction == INSTRUCTIONS[task.name]
    assert task.frame().shape == (480, 640, 3)
    assert task.frame().std() > 20
    state = task.state()
    assert np.abs(state[3:6]).max() < 0.1  # the gripper looks down
    assert state[6] == pytest.approx(1, abs=0.01)  # open
    assert score(task) == 0.0


@pytest.mark.parametrize("axis", range(3))
def test_a_displacement_moves_the_hand_by_as_much(task: Simpler, axis: int) -> None:
    task.reset(0)
    action = np.array(STILL)
    action[axis] = 0.01
    change = moved(task, action)
    assert change[axis] == pytest.approx(0.03, abs=0.003)
    assert np.abs(np.delete(change[:3], axis)).max() < 0.003


@pytest.mark.parametrize("axis", range(3))
def test_a_rotation_turns_the_hand_by_as_much(task: Simpler, axis: int) -> None:
    task.reset(0)
    moved(task, (0.0, 0.0, 0.02, 0.0, 0.0, 0.0, 1.0))  # off the table
    action = np.array(STILL)
    action[3 + axis] = 0.05
    change = moved(task, action)[3:6]
    assert change[axis] == pytest.approx(0.15, abs=0.015)
    assert np.abs(np.delete(change, axis)).max() < 0.03


def test_the_gripper_closes_and_opens(task: Simpler) -> None:
    task.reset(0)
    assert moved(task, (0.0,) * 7)[6] == pytest.approx(-1, abs=0.05)
    assert moved(task, STILL)[6] == pytest.approx(1, abs=0.05)


def test_an_episode_is_drawn_by_its_seed(task: Simpler) -> None:
    task.reset(1)
    state, frame = task.state(), task.frame()
    task.reset(2)
    assert (task.frame() != frame).any()
    task.reset(1)
    assert np.allclose(task.state(), state, atol=1e-5)
    assert np.abs(task.frame().astype(int) - frame).mean() < 1
