"""PushT: a disc pushes a T onto its outline (Chi et al. 2023, 2303.04137; package gym-pusht).

The simulator is told where the disc shall go, in pixels of its 512 x 512 board. Here the action is
the way from where the disc is to there: zero stands still, as on every other robot here. A
demonstration of absolute targets becomes one of these by subtracting its state.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import MissingDependencyError
from lapa_edge.evaluate.environment import Entry, check_task, no_expert
from lapa_edge.evaluate.environments.installed import absent

BOARD_PX = 512.0
INSTRUCTIONS = {"pusht": "push the T onto its green outline"}
STEP_LIMITS = {"pusht": 300}

# The package asks for opencv-python, whose files replace those of opencv-python-headless.
INSTALL = (
    "pip install gym-pusht; beside opencv-python-headless: "
    "pip install --no-deps gym-pusht, pip install 'pymunk<7' pygame shapely"
)

# The disc follows its target like a spring: 200 px ahead is faster than any demonstrator moves.
ROBOT = RobotSpec(
    control_hz=10.0,
    state_names=("disc_x", "disc_y"),
    action_names=("target_dx", "target_dy"),
    action_low=(-200.0,) * 2,
    action_high=(200.0,) * 2,
    action_units=("px", "px"),
)


class PushT:
    """The PushT task behind the `Environment` protocol; solved at 95 % coverage.

    Args:
        task: ``pusht``.
        size: height and width of the picture.

    Raises:
        ConfigError: another task.
        MissingDependencyError: gym-pusht is not installed.
    """

    robot = ROBOT

    def __init__(self, task: str = "pusht", size: int = 128) -> None:
        check_task("PushT", task, INSTRUCTIONS)
        simulator = _import_simulator()
        self.name, self.instruction = task, INSTRUCTIONS[task]
        self.max_steps = STEP_LIMITS[task]
        self._env: Any = simulator(
            obs_type="pixels_agent_pos", observation_width=size, observation_height=size
        )
        self._observation: dict[str, Any] = {}
        self._coverage = 0.0

    def reset(self, seed: int) -> None:
        """Start episode `seed`."""
        self._observation, _ = self._env.reset(seed=seed)
        self._coverage = 0.0

    def frame(self) -> NDArray[np.uint8]:
        """The board from above, RGB ``[size, size, 3]``, without a mark of the last target."""
        return np.asarray(self._observation["pixels"], np.uint8)

    def state(self) -> NDArray[np.float32]:
        """Where the disc is, pixels of the board."""
        return np.asarray(self._observation["agent_pos"], np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        """Head for a target relative to the disc for 0.1 s; targets end at the board's border."""
        target = np.clip(self._observation["agent_pos"] + np.asarray(action), 0.0, BOARD_PX)
        self._observation, reward, solved, _, _ = self._env.step(target)
        self._coverage = float(reward)
        return bool(solved)

    def score(self) -> float:
        """Share of the outline that the T covers, of the 95 % that solve the task."""
        return self._coverage

    def expert_action(self) -> NDArray[np.float32]:
        """Raises `ConfigError`: nobody scripted one."""
        raise no_expert("PushT")

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()


def _import_simulator() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pygame's, about the pkg_resources it still uses
            return importlib.import_module("gym_pusht.envs.pusht").PushTEnv
    except ImportError as error:
        raise MissingDependencyError("PushT", f"not installed ({error})", INSTALL) from error


ENTRY = Entry(
    robot=ROBOT,
    step_limits=STEP_LIMITS,
    build=lambda task, _: PushT(task),
    missing=lambda _: ", ".join(absent("gym_pusht", "pymunk", "pygame", "shapely")),
    install=INSTALL,
)
