"""The published simulator where a checkout is at hand, and how it is imported where a fake will do.

Point LAPA_LANGUAGE_TABLE to a checkout of google-research/language-table to check the claims about
the simulator itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from language_table_simulator import write_simulator
from numpy.typing import NDArray

from lapa_edge.data.language_table import read_language_table
from lapa_edge.errors import ConfigError, MissingDependencyError
from lapa_edge.evaluate.environment import score
from lapa_edge.evaluate.environments import language_table_imports
from lapa_edge.evaluate.environments.language_table import ENTRY, FAMILIES, LanguageTable
from lapa_edge.evaluate.environments.language_table_imports import import_simulator

STOOD_IN = (
    "gym",
    "tensorflow",
    "tf_agents",
    "six",
    "matplotlib",
    "absl",
    "imageio",
    "language_table",
)


@pytest.fixture
def simulated() -> Iterator[Callable[[str], LanguageTable]]:
    """Builds the environment of a reward family."""
    if missing := ENTRY.missing(None):
        pytest.skip(f"NO LANGUAGE TABLE ({missing}): set LAPA_LANGUAGE_TABLE; nothing was checked")
    built: list[LanguageTable] = []

    def build(task: str) -> LanguageTable:
        built.append(LanguageTable(task))
        return built[-1]

    yield build
    for environment in built:
        environment.close()


@pytest.fixture
def table(simulated: Callable[[str], LanguageTable]) -> LanguageTable:
    return simulated("separate")


def recorded(root: Path, name: str) -> tuple[dict[str, object], list[dict[str, list[float]]]]:
    """An episode's row and its steps as recorded."""
    rows = pq.read_table(root / "episodes.parquet", filters=[("name", "=", name)]).to_pylist()
    index = rows[0]["episode_index"]
    steps = pq.read_table(root / "steps.parquet", filters=[("episode_index", "=", index)])
    return rows[0], steps.to_pylist()


# One drawn at once, and one drawn twice: the expert found no plan for its first scene.
@pytest.mark.parametrize("name", ["separate_0003", "blocktorelativelocation_0132"])
def test_recorded_actions_give_the_recorded_episode_again(
    simulated: Callable[[str], LanguageTable], shared_data: Path, name: str
) -> None:
    table = simulated(name.partition("_")[0])
    root = shared_data / "language_table_sim"
    episode, steps = recorded(root, name)
    table.reset(int(str(episode["seed"])))
    assert table.instruction == episode["instruction"]
    clip = next(e for e in read_language_table(root, "all").episodes if e.name == name)
    pictures = list(clip.video.read())
    solved = False
    for i, step in enumerate(steps[:-1]):
        assert np.abs(table.state() - step["effector"]).max() < 1e-6
        assert difference(table.frame(), pictures[i]) < 3.0  # what the video's encoder lost
        solved = table.step(np.array(step["action"]))
    assert solved == episode["success"]
    assert score(table) == 1.0
    assert difference(pictures[0], pictures[-1]) > 3.0  # the bound above tells scenes apart


def test_labels_drive_the_arm_as_the_recording_went(
    table: LanguageTable, shared_data: Path
) -> None:
    root = shared_data / "language_table_sim"
    episode, steps = recorded(root, "separate_0003")
    clip = next(e for e in read_language_table(root, "all").episodes if e.name == "separate_0003")
    assert clip.steps is not None
    table.reset(int(str(episode["seed"])))
    for action in clip.steps.action:
        table.step(action)
    assert np.abs(table.state() - steps[-1]["effector"]).max() < 1e-3


def test_a_seed_gives_its_episode_whatever_came_before(table: LanguageTable) -> None:
    def play(seed: int) -> tuple[str, NDArray[np.float32], NDArray[np.uint8]]:
        table.reset(seed)
        for _ in range(3):
            table.step(np.array([0.02, -0.01]))
        return table.instruction, table.state(), table.frame()

    random_before = np.random.get_state(legacy=False)
    first, other, again = play(1), play(2), play(1)
    assert first[0] == again[0]
    assert np.array_equal(first[1], again[1])
    assert np.array_equal(first[2], again[2])
    assert not np.array_equal(first[2], other[2])
    assert str(np.random.get_state(legacy=False)) == str(random_before)


def test_the_expert_acts_within_limits_and_comes_closer(table: LanguageTable) -> None:
    table.reset(3)
    best = 0.0
    for _ in range(table.max_steps):
        action = table.expert_action()
        assert np.abs(action).max() <= 0.1
        solved = table.step(action)
        best = max(best, table.score())
        if best > 0.2 or solved:
            break
    assert best > 0.2


def test_a_seed_out_of_range_is_refused(table: LanguageTable) -> None:
    with pytest.raises(ConfigError, match="seed: expected 0 to 4294967295, got -1"):
        table.reset(-1)


def test_stand_ins_serve_the_import_and_are_gone_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_simulator(tmp_path)
    monkeypatch.setattr(language_table_imports, "NEEDED", ())
    before = {n: m for n, m in sys.modules.items() if n.startswith(STOOD_IN)}
    simulator = import_simulator(tmp_path)
    assert set(simulator.rewards) == set(FAMILIES)
    assert simulator.table.seen == "stand-ins"
    assert {n: m for n, m in sys.modules.items() if n.startswith(STOOD_IN)} == before


def test_a_checkout_without_pybullet_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_simulator(tmp_path)
    monkeypatch.setattr(language_table_imports, "NEEDED", ("no_such_physics",))
    with pytest.raises(MissingDependencyError, match="not installed: no_such_physics; git clone"):
        LanguageTable("separate", tmp_path)


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two pictures, in grey levels."""
    return float(np.abs(one.astype(float) - other).mean())
