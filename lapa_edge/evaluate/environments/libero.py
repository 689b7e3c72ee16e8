"""LIBERO: 130 table-top tasks in robosuite, five suites (Liu et al. 2023, 2306.03310).

A task is a suite and a number, ``libero_goal/3``; its words come from the simulator. The arm takes
changes of its hand's pose at 20 Hz, each action in [-1, 1]. The state is that of the converted
datasets (LeRobot's, OpenVLA's RLDS): hand position, axis-angle, the two fingers.

Run against hf-libero 0.1.4, robosuite 1.4.0 and MuJoCo 3.3, whose own requirements exclude this
project's but are not needed; some meshes were stand-ins there. Its first import asks on the
terminal where data sets go, and its first scene downloads its models: neither may happen in an
evaluation, so both must have happened before. It imports torch, to load its initial scenes.
"""

from __future__ import annotations

import importlib
import math
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import MissingDependencyError
from lapa_edge.evaluate.environment import Entry, check_task, no_expert
from lapa_edge.evaluate.environments.installed import absent

INSTALL = (
    "pip install 'lapa-edge[demo,inspect]' opencv-python-headless, then pip install --no-deps "
    "hf-libero robosuite==1.4.0 bddl==1.0.1 easydict future numba llvmlite termcolor, then once "
    'python -c "import libero.libero as l; l.get_assets_path()", which asks where its data sets '
    "go and downloads its models"
)

# Tasks of each suite, and the step limits that published evaluations give it.
SUITES = {
    "libero_spatial": (10, 220),
    "libero_object": (10, 280),
    "libero_goal": (10, 300),
    "libero_10": (10, 520),
    "libero_90": (90, 400),
}
STEP_LIMITS = {
    f"{suite}/{i}": limit for suite, (count, limit) in SUITES.items() for i in range(count)
}

# Objects fall onto the table in the first steps of every episode.
SETTLE_STEPS = 10
_STILL = np.array([0.0] * 6 + [-1.0])

ROBOT = RobotSpec(
    control_hz=20.0,
    state_names=("x", "y", "z", "axis_angle1", "axis_angle2", "axis_angle3", "gripper", "gripper2"),
    action_names=("x", "y", "z", "axis_angle1", "axis_angle2", "axis_angle3", "gripper"),
    action_low=(-1.0,) * 7,
    action_high=(1.0,) * 7,
    action_units=("5 cm/step",) * 3 + ("0.5 rad/step",) * 3 + ("1",),
    action_kinds=("delta",) * 6 + ("gripper",),
)


class Libero:
    """One LIBERO task behind the `Environment` protocol.

    Args:
        task: a key of `STEP_LIMITS`.
        size: height and width of the picture.

    Raises:
        ConfigError: an unknown task.
        MissingDependencyError: LIBERO is not installed.
    """

    robot = ROBOT

    def __init__(self, task: str, size: int = 256) -> None:
        check_task("LIBERO", task, STEP_LIMITS)
        benchmark, envs = _import_simulator()
        suite_name, _, number = task.partition("/")
        suite = benchmark.get_benchmark_dict()[suite_name]()
        self.name, self.max_steps = task, STEP_LIMITS[task]
        self.instruction = str(suite.get_task(int(number)).language)
        self._scenes: Any = suite.get_task_init_states(int(number))
        self._env: Any = envs.OffScreenRenderEnv(
            bddl_file_name=suite.get_task_bddl_file_path(int(number)),
            camera_heights=size,
            camera_widths=size,
        )
        self._observation: dict[str, Any] = {}

    def reset(self, seed: int) -> None:
        """Start episode `seed`: the task's published initial scenes in turn."""
        self._env.seed(seed)
        self._env.reset()
        self._observation = self._env.set_init_state(self._scenes[seed % len(self._scenes)])
        for _ in range(SETTLE_STEPS):
            self._observation, _, _, _ = self._env.step(_STILL)

    def frame(self) -> NDArray[np.uint8]:
        """The agent's view, RGB ``[size, size, 3]``, turned by 180 degrees as in the datasets."""
        return np.asarray(self._observation["agentview_image"][::-1, ::-1], np.uint8)

    def state(self) -> NDArray[np.float32]:
        """Hand position in metres, its rotation as axis times angle, the fingers in metres."""
        parts = (
            self._observation["robot0_eef_pos"],
            _axis_angle(self._observation["robot0_eef_quat"]),
            self._observation["robot0_gripper_qpos"],
        )
        return np.concatenate(parts).astype(np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        """One control step of 50 ms."""
        self._observation, _, _, _ = self._env.step(np.asarray(action, np.float64))
        return bool(self._env.check_success())

    def expert_action(self) -> NDArray[np.float32]:
        """Raises `ConfigError`: nobody scripted one."""
        raise no_expert("LIBERO")

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()


def _axis_angle(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis times angle in [0, 2 pi], as robosuite has it, of a quaternion ``x y z w``."""
    w = float(np.clip(quaternion[3], -1.0, 1.0))
    sine = math.sqrt(1.0 - w * w)
    if sine < 1e-9:
        return np.zeros(3)
    return np.asarray(quaternion[:3], np.float64) * (2.0 * math.acos(w) / sine)


def _import_simulator() -> tuple[Any, Any]:
    try:
        return (
            importlib.import_module("libero.libero.benchmark"),
            importlib.import_module("libero.libero.envs"),
        )
    except ImportError as error:
        raise MissingDependencyError("LIBERO", f"not installed ({error})", INSTALL) from error


def _find_missing(_: Path | None) -> str:
    """As LIBERO looks for them: its variable as it stands, its own folder before the cache."""
    if missing := absent("libero", "robosuite", "bddl"):
        return ", ".join(missing)
    folder = os.environ.get("LIBERO_CONFIG_PATH", str(Path("~/.libero").expanduser()))
    if not Path(folder, "config.yaml").exists():
        return f"{folder}/config.yaml, which its first import asks for"
    package = find_spec("libero")
    inside = (package and package.submodule_search_locations) or [""]
    models = Path(inside[0], "libero", "assets")
    if not models.exists():
        models = Path("~/.cache/libero/assets").expanduser()
    if not (models / "scenes").is_dir():
        half = ", of which there is a part: delete it first" if models.exists() else ""
        return f"its models in {models}{half}"
    return ""


ENTRY = Entry(
    robot=ROBOT,
    step_limits=STEP_LIMITS,
    build=lambda task, _: Libero(task),
    missing=_find_missing,
    install=INSTALL,
)
