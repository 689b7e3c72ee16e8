"""The real simulator: seeded scenes, upright pictures, an expert that succeeds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environment import score
from lapa_edge.evaluate.environments.metaworld import ENTRY, INSTRUCTIONS, STEP_LIMITS, MetaWorld
from lapa_edge.evaluate.recording import record_episode

# Not importorskip: MuJoCo binds OpenGL at its first import, which must be MetaWorld's own.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("metaworld") is None,
    reason="META-WORLD IS NOT INSTALLED: nothing here was checked",
)


@pytest.fixture(scope="module")
def faucet() -> Iterator[MetaWorld]:
    environment = MetaWorld("faucet-open", height=64, width=96)
    yield environment
    environment.close()


def test_the_same_seed_gives_the_same_scene_and_another_seed_another(faucet: MetaWorld) -> None:
    faucet.reset(7)
    state, frame = faucet.state(), faucet.frame().copy()
    faucet.reset(8)
    other = faucet.frame().copy()
    faucet.reset(7)
    assert np.array_equal(faucet.state(), state)
    assert np.array_equal(faucet.frame(), frame)
    assert not np.array_equal(other, frame)


def test_a_frame_is_upright_colour_of_the_size_asked_for(faucet: MetaWorld) -> None:
    faucet.reset(1)
    frame = faucet.frame()
    assert frame.shape == (64, 96, 3)
    assert frame.dtype == np.uint8
    # The table is wood and fills the lower edge; the wall above it is grey.
    table = frame[-4:].mean((0, 1))
    assert table[0] - table[2] > 20


def test_the_expert_solves_its_task_and_the_state_follows_the_action(faucet: MetaWorld) -> None:
    recording = record_episode(faucet, seed=3, fps=20.0, noise=0.0)
    assert recording is not None
    steps = recording.steps
    assert np.abs(steps.action).max() <= 1.0
    moved = steps.state[-1, :3] - steps.state[0, :3]
    assert moved @ steps.action[:, :3].sum(0) > 0


def test_an_unknown_task_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="not a known Meta-World task; one of: assembly"):
        MetaWorld("juggle")


def test_every_task_of_the_benchmark_has_words_of_its_own() -> None:
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS, ML45_V3

    assert {f"{task}-v3" for task in INSTRUCTIONS} == set(ALL_V3_ENVIRONMENTS)
    assert len(set(INSTRUCTIONS.values())) == len(INSTRUCTIONS)
    assert {f"{task}-v3" for task in ENTRY.unseen} == set(ML45_V3["test"])


def test_the_tasks_of_earlier_results_keep_their_150_steps() -> None:
    earlier = ("button-press", "door-lock", "faucet-open", "plate-slide", "reach", "window-open")
    assert {STEP_LIMITS[task] for task in earlier} == {150}
    assert MetaWorld("reach", height=8, width=8).max_steps == 150
    assert MetaWorld("reach", height=8, width=8, max_steps=7).max_steps == 7


@pytest.mark.parametrize("task", ["bin-picking", "peg-unplug-side", "push"])
def test_the_expert_solves_a_task_within_its_limit_and_scores_one(task: str) -> None:
    environment = MetaWorld(task, height=8, width=8)
    environment.reset(500)
    assert score(environment) == 0.0
    scores = []
    for _ in range(environment.max_steps):
        solved = environment.step(environment.expert_action())
        scores.append(score(environment))
        if solved:
            break
    environment.close()
    assert scores[-1] == 1.0
    assert all(s is not None and 0.0 <= s < 1.0 for s in scores[:-1])


@pytest.mark.parametrize("task", ["reach", "push", "pick-place-wall"])
def test_a_goal_that_is_a_mere_place_can_be_seen(task: str) -> None:
    environment = MetaWorld(task, height=128, width=128)
    environment.reset(0)
    frame = environment.frame().astype(int)
    environment._env.model.site("goal").rgba[3] = 0.0
    hidden = environment.frame().astype(int)
    environment.close()
    assert (np.abs(frame - hidden).max(-1) > 30).sum() >= 10


def test_a_machine_without_opengl_is_told_what_to_install(tmp_path: Path) -> None:
    code = (
        "from lapa_edge.errors import MissingDependencyError\n"
        "from lapa_edge.evaluate.environments.metaworld import MetaWorld\n"
        "try:\n    MetaWorld('reach')\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "MUJOCO_GL": "bogus"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "apt-get install libegl1" in done.stdout, done.stderr
