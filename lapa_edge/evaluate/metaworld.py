"""Meta-World v3: MuJoCo manipulation scenes with scripted experts (Yu et al. 2019, 1910.10897).

The arm is commanded by small displacements of its hand at 80 Hz; the state holds the hand alone,
so where the objects are must come from the picture, and what to do with them from the words.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import ConfigError, MissingDependencyError

# The tasks in words. Some share a scene (faucet, reach) or a thing (window, drawer, door), so that
# only the instruction, or it and the thing's state, says what is wanted.
INSTRUCTIONS = {
    "button-press": "press the red button on the wall",
    "button-press-topdown": "press the red button from above",
    "coffee-button": "push the button of the coffee machine",
    "door-close": "close the door of the safe",
    "door-lock": "lock the door by turning the knob down",
    "door-unlock": "unlock the door by turning the knob",
    "drawer-close": "close the green drawer",
    "drawer-open": "open the green drawer",
    "faucet-close": "turn the faucet off",
    "faucet-open": "turn the faucet on",
    "handle-press": "press the handle down",
    "plate-slide": "slide the plate into the goal",
    "reach": "move the hand to the red ball",
    "window-close": "close the window",
    "window-open": "open the window",
}

ROBOT = RobotSpec(
    control_hz=80.0,
    state_names=("hand_x_m", "hand_y_m", "hand_z_m", "gripper_opening"),
    action_names=("hand_dx", "hand_dy", "hand_dz", "gripper_effort"),
    action_low=(-1.0,) * 4,
    action_high=(1.0,) * 4,
    action_units=("cm/step", "cm/step", "cm/step", "1"),
)

_CAMERA = {"lookat": (0.0, 0.68, 0.12), "distance": 1.05, "azimuth": 135.0, "elevation": -35.0}


class MetaWorld:
    """One Meta-World task behind the `Environment` protocol.

    Args:
        task: a key of `INSTRUCTIONS`.
        height, width: size of the camera frame, pixels.
        max_steps: control steps after which an episode has failed.
    """

    robot = ROBOT

    def __init__(
        self, task: str, height: int = 128, width: int = 128, max_steps: int = 150
    ) -> None:
        if task not in INSTRUCTIONS:
            known = ", ".join(INSTRUCTIONS)
            raise ConfigError(f"task {task!r}", "not a known Meta-World task", f"one of: {known}")
        metaworld, mujoco = _import_simulator()
        self.name, self.instruction, self.max_steps = task, INSTRUCTIONS[task], max_steps
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium's advice on dtype, once per environment
            self._env: Any = metaworld.env_dict.ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[
                f"{task}-v3-goal-observable"
            ](seed=0)
        # Start positions are drawn anew at each reset, from the environment's own seeded generator.
        self._env._freeze_rand_vec = False
        self._env.seeded_rand_vec = True
        self._expert: Any = metaworld.policies.ENV_POLICY_MAP[f"{task}-v3"]()
        self._camera = _camera(mujoco)
        self._renderer = _renderer(mujoco, self._env.model, height, width)
        self._observation = np.zeros(39)

    def reset(self, seed: int) -> None:
        """Start episode `seed`."""
        self._env.seed(seed)
        self._observation, _ = self._env.reset()

    def frame(self) -> NDArray[np.uint8]:
        """RGB ``[h, w, 3]``."""
        self._renderer.update_scene(self._env.data, self._camera)
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def state(self) -> NDArray[np.float32]:
        """Hand position in metres and gripper opening in [0, 1]."""
        return self._observation[:4].astype(np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        """One control step of 12.5 ms."""
        self._observation, _, _, _, info = self._env.step(np.asarray(action, dtype=np.float64))
        return bool(info["success"])

    def expert_action(self) -> NDArray[np.float32]:
        """The scripted expert, clipped to the action's limits."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that it exceeds the limits we clip to
            wanted = self._expert.get_action(self._observation)
        return np.clip(wanted, -1.0, 1.0).astype(np.float32)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()


def _import_simulator() -> tuple[Any, Any]:
    # MuJoCo binds its OpenGL platform when first imported; EGL needs no display.
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import metaworld
        import metaworld.env_dict
        import metaworld.policies
        import mujoco
    except ImportError as error:
        if "egl" in str(error).lower() or "OSMesa" in str(error):
            raise _no_renderer(error) from error
        fix = "pip install 'lapa-edge[demo]'"
        raise MissingDependencyError("Meta-World", f"not installed ({error})", fix) from error
    except (AttributeError, RuntimeError) as error:  # no library to bind, or a bad MUJOCO_GL
        raise _no_renderer(error) from error
    return metaworld, mujoco


def _renderer(mujoco: Any, model: Any, height: int, width: int) -> Any:
    """An offscreen renderer without the effects that cost most: shadows, mirrors, multisampling."""
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = 0
    model.light_castshadow[:] = 0
    model.mat_reflectance[:] = 0
    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # MuJoCo raises its own, PyOpenGL's and bare RuntimeErrors here
        raise _no_renderer(error) from error
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
        renderer.scene.flags[flag] = 0
    return renderer


def _camera(mujoco: Any) -> Any:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = _CAMERA["lookat"]
    for name in ("distance", "azimuth", "elevation"):
        setattr(camera, name, _CAMERA[name])
    return camera


def _no_renderer(error: Exception) -> MissingDependencyError:
    platform = os.environ.get("MUJOCO_GL", "egl")
    return MissingDependencyError(
        f"offscreen rendering (MUJOCO_GL={platform})",
        f"OpenGL could not be started ({type(error).__name__}: {error})",
        "sudo apt-get install libegl1 libgl1-mesa-dri, or libosmesa6 with MUJOCO_GL=osmesa",
    )
