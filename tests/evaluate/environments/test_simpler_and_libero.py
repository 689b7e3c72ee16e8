"""The adapters against stand-ins of the published APIs: what no simulator is needed for.

`test_simpler.py` and `test_libero.py` meet the real ones where they are installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lapa_edge.data.dataset import read_dataset
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environment import Environment, score
from lapa_edge.evaluate.environments import libero, simpler
from lapa_edge.evaluate.environments.libero import SETTLE_STEPS, Libero, _axis_angle
from lapa_edge.evaluate.environments.simpler import Simpler

SIMPLER_SOURCE = """
import numpy as np

class Hand:
    half = np.sqrt(0.5)  # a quarter turn about y: the gripper looks down
    p, q = np.array([0.3, 0.1, 0.2]), np.array([half, 0.0, half, 0.0])

class Arm:
    ee_pose_at_base = Hand

class Agent:
    def __init__(self):
        self.controller, self.controllers = self, {"arm": Arm}

    def get_gripper_closedness(self):
        return 0.25

class Env:
    def __init__(self, task):
        self.task, self.unwrapped, self.log, self.agent = task, self, [], Agent()

    def observe(self):
        image = np.full((480, 640, 3), len(self.log), np.uint8)
        return {"image": {"3rd_view_camera": {"rgb": image}}}

    def reset(self, seed=None, options=None):
        self.log = [("reset", seed, options)]
        return self.observe(), {}

    def get_language_instruction(self):
        return "put the spoon on the towel"

    def step(self, action):
        self.log.append(np.asarray(action))
        n = len(self.log) - 1
        stats = dict(moved_correct_obj=n > 1, is_src_obj_grasped=n > 1, consecutive_grasp=False)
        return self.observe(), 0.0, n > 2, False, {"success": n > 2, "episode_stats": stats}

    def close(self):
        self.log.append("closed")

def make(task):
    return Env(task)
"""


@pytest.fixture
def spoon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simpler]:
    """A task of a checkout whose `simpler_env` is a stand-in."""
    package = tmp_path / "simpler_env"
    package.mkdir()
    (package / "__init__.py").write_text(SIMPLER_SOURCE)
    monkeypatch.delitem(sys.modules, "simpler_env", raising=False)
    environment: Environment = Simpler("widowx_spoon_on_towel", tmp_path)
    assert isinstance(environment, Simpler)
    yield environment
    sys.modules.pop("simpler_env", None)


def test_simpler_plays_the_benchmarks_scenes_in_its_order(spoon: Simpler) -> None:
    spoon.reset(5)
    assert spoon._env.log == [("reset", 5, {"obj_init_options": {"episode_id": 5}})]
    assert spoon.frame().shape == (480, 640, 3)


def test_simpler_takes_bridges_actions(spoon: Simpler) -> None:
    spoon.reset(0)
    spoon.step(np.array([0.01, 0.02, 0.03, 0.0, 0.0, 0.4, 0.9], np.float32))
    assert np.allclose(spoon._env.log[-1], [0.01, 0.02, 0.03, 0.0, 0.0, 0.4, 1.0])
    # Roll and pitch together: the axis-angle vector is not the three angles.
    spoon.step(np.array([0, 0, 0, 0.5, 0.5, 0.0, 0.1], np.float32))
    turn = spoon._env.log[-1][3:6]
    assert np.allclose(np.linalg.norm(turn), 2 * np.arccos(np.cos(0.25) ** 2))
    assert turn[2] < 0  # y after x, about fixed axes
    assert spoon._env.log[-1][6] == -1.0


def test_simplers_state_is_level_where_the_gripper_looks_down(spoon: Simpler) -> None:
    spoon.reset(0)
    assert np.allclose(spoon.state(), [0.3, 0.1, 0.2, 0.0, 0.0, 0.0, 0.75], atol=1e-6)


def test_simpler_scores_its_stages_and_success_most(spoon: Simpler) -> None:
    spoon.reset(0)
    assert score(spoon) == 0.0
    went = [(spoon.step(np.zeros(7, np.float32)), score(spoon)) for _ in range(3)]
    assert went == [(False, 0.0), (False, 0.5), (True, 1.0)]


def test_simplers_robot_has_the_names_of_the_bridge_dataset(shared_data: Path) -> None:
    robot = read_dataset(shared_data / "bridge_rlds").robot
    assert robot is not None
    assert robot.state_names == simpler.ROBOT.state_names
    assert robot.action_names == simpler.ROBOT.action_names
    assert robot.control_hz == simpler.ROBOT.control_hz


def test_sapien_is_refused_beside_a_numpy_that_it_misreads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sapien", "simpler_env"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(np, "__version__", "2.4.6")
    assert simpler.ENTRY.missing(tmp_path).startswith("numpy < 2 (here is 2.4.6")
    monkeypatch.setattr(np, "__version__", "1.26.4")
    assert simpler.ENTRY.missing(tmp_path) == ""


def test_libero_is_refused_until_it_has_been_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first import asks a question, which would hang a worker; its first scene downloads."""
    for module in ("libero", "robosuite", "bddl"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LIBERO_CONFIG_PATH", raising=False)
    missing = libero.ENTRY.missing
    assert missing(None) == f"{tmp_path}/.libero/config.yaml, which its first import asks for"
    (tmp_path / "config.yaml").touch()
    monkeypatch.setenv("LIBERO_CONFIG_PATH", str(tmp_path))
    cache, own = tmp_path / ".cache/libero/assets", tmp_path / "libero/libero/assets"
    assert missing(None) == f"its models in {cache}"
    cache.mkdir(parents=True)
    assert missing(None) == f"its models in {cache}, of which there is a part: delete it first"
    (cache / "scenes").mkdir()
    assert missing(None) == ""
    own.mkdir(parents=True)  # which it prefers
    assert missing(None).startswith(f"its models in {own}, of which")


class FakeLiberoEnv:
    """What `OffScreenRenderEnv` shows of itself."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.log = arguments, list[Any]()

    def seed(self, seed: int) -> None:
        self.log.append(("seed", seed))

    def reset(self) -> None:
        self.log.append("reset")

    def observe(self) -> dict[str, Any]:
        image = np.zeros((4, 4, 3), np.uint8)
        image[0, 0] = 255
        return {
            "agentview_image": image,
            "robot0_eef_pos": np.array([0.1, 0.2, 0.3]),
            "robot0_eef_quat": np.array([1.0, 0.0, 0.0, 0.0]),
            "robot0_gripper_qpos": np.array([0.04, -0.04]),
        }

    def set_init_state(self, state: object) -> dict[str, Any]:
        self.log.append(("scene", state))
        return self.observe()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        self.log.append(np.asarray(action))
        return self.observe(), 0.0, False, {}

    def check_success(self) -> bool:
        return bool(self.log[-1][0] > 0.5)

    def close(self) -> None: ...


class FakeSuite:
    """A suite of LIBERO whose third task has two initial scenes."""

    def get_task(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(language=f"do number {number}")

    def get_task_init_states(self, number: int) -> list[str]:
        return ["first", "second"]

    def get_task_bddl_file_path(self, number: int) -> str:
        return f"task{number}.bddl"


@pytest.fixture
def goal(monkeypatch: pytest.MonkeyPatch) -> Libero:
    modules = {
        name: ModuleType(name)
        for name in ("libero", "libero.libero", "libero.libero.benchmark", "libero.libero.envs")
    }
    vars(modules["libero.libero.benchmark"])["get_benchmark_dict"] = lambda: {
        "libero_goal": FakeSuite
    }
    vars(modules["libero.libero.envs"])["OffScreenRenderEnv"] = FakeLiberoEnv
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    environment: Environment = Libero("libero_goal/3", size=4)
    assert isinstance(environment, Libero)
    return environment


def test_libero_starts_its_published_scenes_in_turn_and_lets_them_settle(goal: Libero) -> None:
    assert goal.instruction == "do number 3"
    assert goal._env.arguments["bddl_file_name"] == "task3.bddl"
    for seed, scene in ((0, "first"), (3, "second")):
        goal._env.log.clear()
        goal.reset(seed)
        assert goal._env.log[:3] == [("seed", seed), "reset", ("scene", scene)]
        assert len(goal._env.log) == 3 + SETTLE_STEPS


def test_liberos_picture_and_state_are_those_of_its_converted_datasets(goal: Libero) -> None:
    goal.reset(0)
    assert goal.frame()[-1, -1].tolist() == [255] * 3
    assert np.allclose(goal.state(), [0.1, 0.2, 0.3, np.pi, 0, 0, 0.04, -0.04])
    assert len(goal.robot.state_names) == len(goal.state())
    assert np.allclose(_axis_angle(np.array([0, 0, np.sin(0.2), np.cos(0.2)])), [0, 0, 0.4])
    assert not _axis_angle(np.array([0, 0, 0, 1.0])).any()


def test_libero_reports_success_and_knows_no_proxy(goal: Libero) -> None:
    goal.reset(0)
    assert goal.step(np.zeros(7, np.float32)) is False
    assert goal.step(np.ones(7, np.float32)) is True
    assert score(goal) is None
    with pytest.raises(ConfigError, match="LIBERO: it has no scripted expert"):
        goal.expert_action()
