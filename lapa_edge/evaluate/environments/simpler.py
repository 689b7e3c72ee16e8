"""SIMPLER's four WidowX tasks: BridgeData V2 scenes rebuilt in SAPIEN (Li et al. 2024, 2405.05941).

State and action are those of the Bridge RLDS dataset, under the names that `data/rlds` gives them,
so that a policy trained on it fits: hand position, roll, pitch, yaw, gripper (1 open); actions are
their changes per 0.2 s step, the gripper an absolute opening. The dataset does not tell that the
last is a gripper's: `ROBOT` as a ``robot.json`` beside it does, and without it a bundle is refused.

Run against simpler-env/SimplerEnv 4ab7178 with its ManiSkill2_real2sim ef7a4d4, SAPIEN 2.2.2 and
numpy 1.26, on a CPU: Mesa 26's lavapipe has the Vulkan extension that SAPIEN asks for
(VK_KHR_external_semaphore_fd), Mesa 25.0's has not. The meshes of the table and of the eggplant
were stand-ins there. SAPIEN 2 was built for numpy 1: with numpy 2 it reads wrong numbers, then
crashes.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import MissingDependencyError
from lapa_edge.evaluate.environment import Entry, check_task, no_expert
from lapa_edge.evaluate.environments.installed import absent, find_checkout, importing_from

VARIABLE = "LAPA_SIMPLER"
INSTALL = (
    "git clone --recurse-submodules https://github.com/simpler-env/SimplerEnv, "
    "pip install 'numpy<2' 'pyarrow<22' -e SimplerEnv/ManiSkill2_real2sim -e SimplerEnv "
    f"(or only what they require, and export {VARIABLE}=path/to/SimplerEnv); "
    "it renders by Vulkan: a GPU's driver, or Mesa 26's lavapipe"
)
_MARKER = "simpler_env/__init__.py"

INSTRUCTIONS = {
    "widowx_spoon_on_towel": "put the spoon on the towel",
    "widowx_carrot_on_plate": "put carrot on plate",
    "widowx_stack_cube": "stack the green block on the yellow block",
    "widowx_put_eggplant_in_basket": "put eggplant into yellow basket",
}
STEP_LIMITS = {task: 120 if "eggplant" in task else 60 for task in INSTRUCTIONS}

ROBOT = RobotSpec(
    control_hz=5.0,
    state_names=tuple(f"state_{i}" for i in range(7)),
    action_names=tuple(f"action_{i}" for i in range(7)),
    action_low=(-0.1,) * 3 + (-0.5,) * 3 + (0.0,),
    action_high=(0.1,) * 3 + (0.5,) * 3 + (1.0,),
    action_units=("m",) * 3 + ("rad",) * 3 + ("1",),
    action_kinds=("delta",) * 6 + ("gripper",),
)

# Bridge's angles are zero where the gripper looks down; the simulator's where it looks ahead.
_DOWN = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
_STAGES = ("moved_correct_obj", "is_src_obj_grasped", "consecutive_grasp")


class Simpler:
    """One WidowX task behind the `Environment` protocol.

    Args:
        task: a key of `INSTRUCTIONS`.
        simulator: SimplerEnv's checkout, where it is not installed as a package.

    Raises:
        ConfigError: an unknown task, or `simulator` is no checkout.
        MissingDependencyError: the simulator is not here.
    """

    robot = ROBOT

    def __init__(self, task: str, simulator: Path | None = None) -> None:
        check_task("SIMPLER", task, INSTRUCTIONS)
        self.name, self.instruction, self.max_steps = task, INSTRUCTIONS[task], STEP_LIMITS[task]
        self._env: Any = _import_simulator(simulator).make(task)
        self._observation: dict[str, Any] = {}
        self._score = 0.0

    def reset(self, seed: int) -> None:
        """Start episode `seed`; the benchmark's 24 or so scenes follow each other in its order."""
        options = {"obj_init_options": {"episode_id": seed}}
        self._observation, _ = self._env.reset(seed=seed, options=options)
        self.instruction = str(self._env.unwrapped.get_language_instruction())
        self._score = 0.0

    def frame(self) -> NDArray[np.uint8]:
        """The third-person camera, RGB ``[480, 640, 3]``."""
        return np.asarray(self._observation["image"]["3rd_view_camera"]["rgb"], np.uint8)

    def state(self) -> NDArray[np.float32]:
        """Hand position in metres, roll, pitch, yaw in radians, gripper in [0, 1]."""
        rotation = _import_rotation()
        agent = self._env.unwrapped.agent
        hand = agent.controller.controllers["arm"].ee_pose_at_base
        turned = rotation.from_quat(np.roll(hand.q, -1)).as_matrix() @ _DOWN.T  # q is w x y z
        angles = rotation.from_matrix(turned).as_euler("xyz")
        opening = 1.0 - agent.get_gripper_closedness()
        return np.concatenate((hand.p, angles, [opening])).astype(np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        """One control step of 0.2 s."""
        rotation = _import_rotation()
        turn = rotation.from_euler("xyz", action[3:6]).as_rotvec()
        gripper = 1.0 if action[6] > 0.5 else -1.0
        command = np.concatenate((action[:3], turn, [gripper]))
        self._observation, _, _, _, info = self._env.step(command)
        solved = bool(info["success"])
        stages = info["episode_stats"]
        reached = sum(bool(stages[stage]) for stage in _STAGES)
        self._score = 1.0 if solved else reached / (len(_STAGES) + 1)
        return solved

    def score(self) -> float:
        """Share of the benchmark's stages: right object moved, grasped, held, task solved."""
        return self._score

    def expert_action(self) -> NDArray[np.float32]:
        """Raises `ConfigError`: nobody scripted one."""
        raise no_expert("SIMPLER")

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()


def _find_missing(simulator: Path | None) -> str:
    found = find_checkout(VARIABLE, simulator, _MARKER)
    missing = absent("sapien", *(() if found else ("simpler_env", "mani_skill2_real2sim")))
    if missing or int(np.__version__.partition(".")[0]) < 2:
        return ", ".join(missing)
    return f"numpy < 2 (here is {np.__version__}, whose arrays SAPIEN 2 misreads)"


def _import_simulator(simulator: Path | None) -> Any:
    checkout = find_checkout(VARIABLE, simulator, _MARKER)
    folders = [checkout, checkout / "ManiSkill2_real2sim"] if checkout else []
    with importing_from(*folders):
        try:
            return importlib.import_module("simpler_env")
        except ImportError as error:
            raise MissingDependencyError("SIMPLER", f"not installed ({error})", INSTALL) from error


def _import_rotation() -> Any:
    return importlib.import_module("scipy.spatial.transform").Rotation


ENTRY = Entry(
    robot=ROBOT,
    step_limits=STEP_LIMITS,
    build=Simpler,
    missing=_find_missing,
    install=INSTALL,
    from_checkout=True,
)
