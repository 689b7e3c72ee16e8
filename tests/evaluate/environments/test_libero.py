"""The real LIBERO, where it is installed and set up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lapa_edge.evaluate.environment import score
from lapa_edge.evaluate.environments.libero import ENTRY, Libero

TASK = "libero_90/80"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the simulator's own


@pytest.fixture(scope="module")
def task() -> Iterator[Libero]:
    if missing := ENTRY.missing(None):
        pytest.skip(f"NO LIBERO ({missing}); nothing was checked")
    environment = Libero(TASK)
    yield environment
    environment.close()


def test_an_episode_begins_with_the_gripper_open_and_looking_down(task: Libero) -> None:
    task.reset(0)
    assert task.instruction == "pick up the book and place it in the right compartment of the caddy"
    assert task.frame().shape == (256, 256, 3)
    assert task.frame().std() > 20
    state = task.state()
    assert state.shape == (len(task.robot.state_names),)
    assert np.linalg.norm(state[3:6]) == pytest.approx(np.pi, abs=0.1)
    assert state[6] == pytest.approx(0.04, abs=0.005)
    assert state[7] == pytest.approx(-0.04, abs=0.005)
    assert score(task) is None


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("way", [-1, 1])
def test_a_displacement_moves_the_hand_along_its_axis(task: Libero, axis: int, way: int) -> None:
    task.reset(0)
    before, action = task.state(), np.zeros(7, np.float32)
    action[axis], action[6] = 0.5 * way, -1
    for _ in range(10):
        assert task.step(action) is False
    change = (task.state() - before)[:3]
    assert change[axis] * way > 0.03
    assert np.abs(np.delete(change, axis)).max() < 0.02


def test_the_gripper_closes(task: Libero) -> None:
    task.reset(0)
    for _ in range(20):
        task.step(np.array([0, 0, 0, 0, 0, 0, 1], np.float32))
    assert np.abs(task.state()[6:]).max() < 0.01


def test_an_episode_is_drawn_by_its_seed(task: Libero) -> None:
    task.reset(1)
    frame, state = task.frame().copy(), task.state()
    task.reset(2)
    assert (task.frame() != frame).any()
    task.reset(1)
    assert np.allclose(task.state(), state, atol=1e-4)
    assert np.abs(task.frame().astype(int) - frame).mean() < 1
