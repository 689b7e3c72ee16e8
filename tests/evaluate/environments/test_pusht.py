"""The real PushT: an action moves the disc its way, coverage is the score."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from lapa_edge.errors import ConfigError, MissingDependencyError
from lapa_edge.evaluate.environment import score
from lapa_edge.evaluate.environments import pusht
from lapa_edge.evaluate.environments.pusht import PushT

needs_simulator = pytest.mark.skipif(
    importlib.util.find_spec("gym_pusht") is None,
    reason="GYM-PUSHT IS NOT INSTALLED: this was not checked",
)


@pytest.fixture
def board() -> Iterator[PushT]:
    environment = PushT(size=64)
    yield environment
    environment.close()


@needs_simulator
def test_the_same_seed_gives_the_same_board_and_another_seed_another(board: PushT) -> None:
    board.reset(7)
    state, frame = board.state(), board.frame().copy()
    board.reset(8)
    assert not np.array_equal(board.frame(), frame)
    board.reset(7)
    assert np.array_equal(board.state(), state)
    assert np.array_equal(board.frame(), frame)
    assert (frame.shape, frame.dtype) == ((64, 64, 3), np.uint8)


@needs_simulator
def test_the_disc_goes_where_the_action_points_and_zero_stands_still(board: PushT) -> None:
    board.reset(3)
    start = board.state()
    board.step(np.zeros(2, np.float32))
    assert np.array_equal(board.state(), start)
    way = np.sign(256 - start) * np.float32(30)
    for _ in range(3):
        board.step(way)
    assert (np.sign(board.state() - start) == np.sign(way)).all()


@needs_simulator
def test_the_disc_stays_on_the_board(board: PushT) -> None:
    board.reset(3)
    for _ in range(30):
        board.step(np.full(2, 200, np.float32))
    assert (board.state() <= pusht.BOARD_PX).all()


@needs_simulator
def test_a_t_on_its_outline_is_solved_and_one_beside_it_scores_its_coverage(board: PushT) -> None:
    board.reset(0)
    simulator = board._env
    for angle, solved in ((0.3, False), (float(simulator.goal_pose[2]), True)):
        simulator.block.angle = angle  # first: it turns about the centre of mass, which moves
        simulator.block.position = tuple(simulator.goal_pose[:2])
        simulator.agent.position = (20.0, 20.0)
        board._observation["agent_pos"] = np.array([20.0, 20.0])
        assert board.step(np.zeros(2, np.float32)) is solved
        covered = score(board)
        assert covered is not None
        assert covered == 1.0 if solved else 0.1 < covered < 0.9


@needs_simulator
def test_there_is_no_expert_to_record(board: PushT) -> None:
    board.reset(0)
    with pytest.raises(ConfigError, match="PushT: it has no scripted expert"):
        board.expert_action()


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="task 'pushx': not a known PushT task; one of: pusht"):
        PushT("pushx")


def test_where_it_is_not_installed_the_error_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gym_pusht", None)
    monkeypatch.setitem(sys.modules, "gym_pusht.envs.pusht", None)
    with pytest.raises(MissingDependencyError, match=r"PushT: not installed .*pip install gym"):
        PushT()
